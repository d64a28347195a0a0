"""Evaluators: the readers of a report's clips. The report names each with its digest and seed.

There are two kinds: CTC readers of letters, trained inside an evaluation and kept in the run's
`reader/`, and the readers of other runs of `configs/back_translation.py`. Both learned from real
train clips only.
"""

import dataclasses
import itertools
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import jax
import numpy as np
import tqdm

from signllm_jax.artifacts.group import digest, load_group
from signllm_jax.artifacts.run_files import read_final
from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.config import Config
from signllm_jax.core.errors import CheckpointError, ConfigError, PoseFormatError
from signllm_jax.core.storage import AnyPath
from signllm_jax.core.tasks import get_info
from signllm_jax.core.wording import counted
from signllm_jax.corpora.published import has_signers
from signllm_jax.eval.back_translate import ReaderConfig, load_reader, save_reader, train_reader
from signllm_jax.eval.eval_set import Language
from signllm_jax.inference.pose_to_text import BackTranslator
from signllm_jax.metrics.text_metrics import error_rates, score_texts
from signllm_jax.parallel import sharding
from signllm_jax.poses.clip import PoseClip
from signllm_jax.text.tokenizer import normalize_text

MEMORISED = {"cer": 0.02, "wer": 0.2}
"""An evaluator is called memorized when its error on real clips of the split is this much above the
one on clips of train: in letters (CER) where words are spelled, in words (WER) elsewhere."""
UNFIT = {"cer": 0.5, "wer": 0.95}
"""An evaluator that this evaluation did not train is refused when its error on real clips of train
is above this: its figures would say nothing about the clips that it reads."""


READER = ReaderConfig()
"""How CTC readers are trained, except for their seed."""
SIGNERS_READER = dataclasses.replace(READER, steps=1000, frames=144)
"""How they are trained where signers and tempo vary: there is more to learn."""


def reader_of(config: Config) -> ReaderConfig:
    """The config of the CTC readers for a run's data."""
    return SIGNERS_READER if has_signers(config.data.dataset) else READER


@dataclasses.dataclass(frozen=True)
class Evaluator:
    """A reader of poses.

    Attributes:
        kind: Its kind in a few words.
        seed: Seed of its training.
        steps: Number of training steps.
        sha256: Digest of its parameters.
        cpu_seconds: CPU seconds of its training, None where they are not known.
        workdir: Work directory of its run, or the folder of a CTC reader.
        kept_seconds: CPU seconds of its training that an earlier evaluation of the same run spent.
        read: Language code and clips -> the texts; it looks at nothing else.
        existed: Whether it existed before this evaluation, whoever made it.
    """

    kind: str
    seed: int
    steps: int
    sha256: str
    cpu_seconds: float | None
    workdir: str
    kept_seconds: float
    read: Callable[[str, Sequence[PoseClip]], list[str]]
    existed: bool = True


def trained_inside(
    workdir: Workdir,
    languages: Mapping[str, Language],
    seeds: Sequence[int],
    reader_config: ReaderConfig,
    flat: bool = False,
) -> list[Evaluator]:
    """CTC readers of all languages that are evaluated, trained where they are missing.

    For `flat` clips they are readers of x and y, in a folder of their own.
    """
    configs = [dataclasses.replace(reader_config, seed=seed) for seed in dict.fromkeys(seeds)]
    folder = workdir.path / ("reader-flat" if flat else "reader")
    return [_trained_inside(folder / str(c.seed), languages, c, flat) for c in configs]


def _trained_inside(
    folder: AnyPath, languages: Mapping[str, Language], config: ReaderConfig, flat: bool
) -> Evaluator:
    """The CTC reader that a folder holds, or a new one, which is saved there."""
    codes = tuple(languages)
    tokenizers, statistics = zip(*((x.tokenizer, x.statistics) for x in languages.values()))
    saved = reader = load_reader(folder, codes, tokenizers, statistics, config)
    if reader is None:
        tell(f"training a reader of {counted(len(codes), 'language')}")
        with tqdm.tqdm(total=config.steps, desc="reader", unit="step", disable=None) as bar:

            def advance(_: int, loss: np.ndarray) -> None:
                bar.set_postfix_str(f"loss {loss.mean():.3f}", refresh=False)
                bar.update()

            sources = [language.train for language in languages.values()]
            reader = train_reader(sources, tokenizers, statistics, config, advance)
        save_reader(folder, reader)
    return Evaluator(
        kind="CTC reader of letters" + (" in x and y" if flat else ""),
        seed=config.seed,
        steps=config.steps,
        sha256=digest(reader.params),
        cpu_seconds=reader.cpu_seconds,
        workdir=str(folder),
        kept_seconds=saved.cpu_seconds if saved else 0.0,
        read=lambda code, clips: reader.read(codes.index(code), clips),
        existed=saved is not None,
    )


def tell(line: str) -> None:
    """Says on stderr what an evaluation does next, above a progress bar if there is one."""
    tqdm.tqdm.write(line, file=sys.stderr)


def open_evaluator(
    path: str | os.PathLike, languages: Sequence[str], batch_size: int = 16
) -> Evaluator:
    """The evaluator made of the readers of a run of `configs/back_translation.py`.

    Raises:
        CheckpointError: There is no run, or a reader has no parameters yet.
        ConfigError: It is a run of another kind, or lacks one of the languages.
    """
    workdir = Workdir(path)
    config, has = workdir.read_config()
    if not get_info(config.task).reads_poses:
        raise ConfigError(f"{path}: holds a run of {config.name}, which reads no poses")
    missing = [code for code in languages if code not in has]
    if missing:
        raise ConfigError(
            f"{path}: reads {', '.join(has)}, but {', '.join(missing)} is to be evaluated"
        )
    mesh = sharding.make_mesh({}, jax.local_devices()[:1])
    groups = {code: load_group(workdir.group(code), reading=config.reader) for code in languages}
    readers = {
        code: BackTranslator(config, [group], mesh, batch_size) for code, group in groups.items()
    }
    params = {code: jax.tree.map(lambda leaf: leaf[None], g.params) for code, g in groups.items()}
    final = read_final(workdir.path)
    return Evaluator(
        kind="encoder-decoder with CTC on gloss" if groups[has[0]].glosses else "encoder-decoder",
        seed=config.train.seed,
        steps=final.step if final else max(group.step for group in groups.values()),
        sha256=digest({code: group.params for code, group in groups.items()}),
        cpu_seconds=final.cpu_seconds if final else None,
        workdir=str(Path(path)),
        kept_seconds=0.0,
        read=lambda code, clips: readers[code](params[code], [clips])[0],
    )


def lifting(evaluator: Evaluator) -> Evaluator:
    """The same evaluator for flat clips: their depth is made by the lift before they are read."""
    from signllm_jax.poses.lift import lift_clip

    def lifted(clip):
        try:
            return lift_clip(clip)
        except PoseFormatError:
            return clip

    return dataclasses.replace(
        evaluator,
        kind=f"{evaluator.kind}, after a lift",
        read=lambda code, clips: evaluator.read(code, list(map(lifted, clips))),
    )


def read_train(
    evaluator: Evaluator, languages: Mapping[str, Language]
) -> tuple[list[str], list[str]]:
    """The texts that an evaluator reads from real train clips, and their true texts.

    The clips are spread over train, as many per language as the evaluated split has.
    """
    read, texts = [], []
    for code, language in languages.items():
        train = language.train
        count = min(len(train), max(len(language.texts), 1))
        chosen = [int(index) for index in np.linspace(0, len(train) - 1, count)]
        train_texts = {i: normalize_text(train.texts[i], code) for i in chosen}
        read += evaluator.read(code, [train.clip(i) for i, text in train_texts.items() if text])
        texts += filter(None, train_texts.values())
    return read, texts


def describe(
    evaluator: Evaluator, languages: Mapping[str, Language], read: Sequence[str], letters: bool
) -> dict:
    """The section of a report about an evaluator: its scores on real clips and on train clips.

    The scores on real clips are the best that productions can reach.

    Args:
        evaluator: Evaluator that is described.
        languages: Languages that are evaluated.
        read: Texts that it reads from the real clips of all languages.
        letters: Whether words are spelled.
    """
    texts = [text for language in languages.values() for text in language.texts]
    real = read_scores(read, texts, letters)
    train = read_scores(*read_train(evaluator, languages), letters)
    remaining = iter(read)
    error = "cer" if letters else "wer"
    return {
        "kind": evaluator.kind + ", trained on real train clips",
        "workdir": evaluator.workdir,
        "found": evaluator.existed,
        **{name: getattr(evaluator, name) for name in ("seed", "steps", "sha256", "cpu_seconds")},
        **{f"{name}_train": value for name, value in train.items()},
        **{f"{name}_real": value for name, value in real.items()},
        "real_languages": {
            code: error_rates(list(itertools.islice(remaining, len(lang.texts))), lang.texts)
            for code, lang in languages.items()
        },
        "memorised_by": error,
        "memorised": bool(real[error] - train[error] > MEMORISED[error]),
    }


def read_scores(read: Sequence[str], texts: Sequence[str], letters: bool) -> dict[str, float]:
    """The scores of texts that were read: error rates where words are spelled, else all scores."""
    return error_rates(read, texts) if letters else score_texts(read, texts)[0]


def check_fit(described: Mapping) -> None:
    """Raises CheckpointError when an evaluator that `describe` describes was found and is unfit."""
    error = described["memorised_by"]
    wrong = described[f"{error}_train"]
    if described["found"] and wrong > UNFIT[error]:
        raise CheckpointError(
            f"{described['workdir']}: the reader that lies here is unfit: on real clips of train "
            f"its {error.upper()} is {wrong:.0%}; delete it or name another"
        )


def read_by(described: Mapping) -> str:
    """A line about the evaluator that read the clips, and how well it reads real clips."""
    error = described["memorised_by"]
    origin = "found" if described.get("found", True) else "trained now"  # old reports lack `found`
    return (
        f"read by: {described['kind'].partition(',')[0]}, seed {described['seed']}, {origin} in "
        f"{described['workdir']}; {error.upper()} on real clips {described[f'{error}_real']:.1%}"
    )
