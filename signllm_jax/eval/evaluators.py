"""Evaluators: who reads the clips of a report. Each is named in it with its digest and seed.

There are two kinds: CTC readers of letters, trained inside an evaluation and kept in the run's
`reader/`, and the readers of other runs of `configs/back_translation.py`. Both learned from real
train clips alone.
"""

import dataclasses
import functools
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
from signllm_jax.core.tasks import get_info
from signllm_jax.core.wording import counted
from signllm_jax.corpora.published import has_signers
from signllm_jax.eval.back_translate import (
    ReaderConfig,
    load_reader,
    save_reader,
    train_reader,
)
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
"""An evaluator that was found, not trained by this evaluation, is refused when its error on real
clips of train is above this: its figures would say nothing of the clips that it reads."""


READER = ReaderConfig()
"""How CTC readers are trained, but for their seed."""
SIGNERS_READER = dataclasses.replace(READER, steps=1000, frames=144)
"""The same where signers and tempo vary: there is more to learn."""


def reader_of(config: Config) -> ReaderConfig:
    """How the CTC readers of a run's data are trained."""
    return SIGNERS_READER if has_signers(config.data.dataset) else READER


@dataclasses.dataclass(frozen=True)
class Evaluator:
    """Something that reads poses.

    Attributes:
        kind: what it is, in a few words.
        seed: of its training.
        steps: of its training.
        sha256: digest of its parameters.
        cpu_seconds: of its training, None where that is not known.
        workdir: of its run; of a CTC reader, where it is kept.
        kept_seconds: CPU seconds of its training that were spent before this evaluation on behalf
            of the same run.
        read: language code and clips -> the texts; it looks at nothing else.
        found: whether it was there before this evaluation, whoever made it.
    """

    kind: str
    seed: int
    steps: int
    sha256: str
    cpu_seconds: float | None
    workdir: str
    kept_seconds: float
    read: Callable[[str, Sequence[PoseClip]], list[str]]
    found: bool = True


def trained_inside(
    workdir: Workdir,
    languages: Mapping[str, Language],
    seeds: Sequence[int],
    reader_config: ReaderConfig,
    flat: bool = False,
) -> list[Evaluator]:
    """CTC readers of all languages that are evaluated, trained where they are missing.

    Where what is evaluated is `flat`, they are readers of x and y, kept apart from the others.
    """
    codes = tuple(languages)
    tokenizers, statistics = zip(*((x.tokenizer, x.statistics) for x in languages.values()))
    evaluators = []
    for seed in dict.fromkeys(seeds):
        chosen = dataclasses.replace(reader_config, seed=seed)
        folder = workdir.path / ("reader-flat" if flat else "reader") / str(seed)
        reader = load_reader(folder, codes, tokenizers, statistics, chosen)
        found = reader is not None
        kept_seconds = 0.0 if reader is None else reader.cpu_seconds
        if reader is None:
            tell(f"training a reader of {counted(len(codes), 'language')}")
            sources = [language.train for language in languages.values()]
            with tqdm.tqdm(total=chosen.steps, desc="reader", unit="step", disable=None) as bar:
                advance = functools.partial(_advance, bar)
                reader = train_reader(sources, tokenizers, statistics, chosen, advance)
            save_reader(folder, reader)
        evaluators.append(
            Evaluator(
                kind="CTC reader of letters" + (" in x and y" if flat else ""),
                seed=seed,
                steps=chosen.steps,
                sha256=digest(reader.params),
                cpu_seconds=reader.cpu_seconds,
                workdir=str(folder),
                kept_seconds=kept_seconds,
                read=functools.partial(_read_by_place, reader, codes),
                found=found,
            )
        )
    return evaluators


def tell(line: str) -> None:
    """Says on stderr what an evaluation does next, above a progress bar that is there."""
    tqdm.tqdm.write(line, file=sys.stderr)


def _advance(bar: tqdm.tqdm, number: int, loss: np.ndarray) -> None:
    bar.set_postfix_str(f"loss {loss.mean():.3f}", refresh=False)
    bar.update()


def _read_by_place(reader, codes, code, clips):
    return reader.read(codes.index(code), clips)


def open_evaluator(
    path: str | os.PathLike, languages: Sequence[str], batch_size: int = 16
) -> Evaluator:
    """The readers of a run of `configs/back_translation.py`.

    Raises:
        CheckpointError: there is no run, or a reader has no parameters yet.
        ConfigError: it is a run of another kind, or lacks one of the languages.
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

    def read(code, clips):
        return readers[code](params[code], [clips])[0]

    final = read_final(workdir.path)
    return Evaluator(
        kind="encoder-decoder with CTC on gloss" if groups[has[0]].glosses else "encoder-decoder",
        seed=config.train.seed,
        steps=final.step if final else max(group.step for group in groups.values()),
        sha256=digest({code: group.params for code, group in groups.items()}),
        cpu_seconds=final.cpu_seconds if final else None,
        workdir=str(Path(path)),
        kept_seconds=0.0,
        read=read,
    )


def lifting(evaluator: Evaluator) -> Evaluator:
    """The same evaluator for flat clips: their depth is made by the lift before they are read."""
    from signllm_jax.poses.lift import lift_clip

    def lifted(clip):
        try:
            return lift_clip(clip)
        except PoseFormatError:
            return clip

    def read(code, clips):
        return evaluator.read(code, [lifted(clip) for clip in clips])

    return dataclasses.replace(evaluator, kind=f"{evaluator.kind}, after a lift", read=read)


def read_train(
    evaluator: Evaluator, languages: Mapping[str, Language]
) -> tuple[list[str], list[str]]:
    """What an evaluator reads from real train clips, and their texts.

    As many clips as a language has of the split that is evaluated, spread over train.
    """
    read, texts = [], []
    for code, each in languages.items():
        count = min(len(each.train), max(len(each.texts), 1))
        chosen = [int(place) for place in np.linspace(0, len(each.train) - 1, count)]
        named = [(i, normalize_text(each.train.texts[i], code)) for i in chosen]
        named = [(i, text) for i, text in named if text]
        read += evaluator.read(code, [each.train.clip(i) for i, _ in named])
        texts += [text for _, text in named]
    return read, texts


def describe(
    evaluator: Evaluator,
    languages: Mapping[str, Language],
    read: Sequence[str],
    letters: bool,
) -> dict:
    """What a report says about an evaluator: its score on real clips, the ceiling, and on train.

    Args:
        evaluator: it.
        languages: what is evaluated.
        read: what it reads from the real clips of all languages.
        letters: whether words are spelled.
    """
    texts = [text for each in languages.values() for text in each.texts]
    score = error_rates if letters else _all_scores
    real, train = score(read, texts), score(*read_train(evaluator, languages))
    own, start = {}, 0
    for code, each in languages.items():
        end = start + len(each.texts)
        own[code] = error_rates(read[start:end], texts[start:end])
        start = end
    error = "cer" if letters else "wer"
    return {
        "kind": evaluator.kind + ", trained on real train clips",
        "workdir": evaluator.workdir,
        "found": evaluator.found,
        "seed": evaluator.seed,
        "steps": evaluator.steps,
        "sha256": evaluator.sha256,
        "cpu_seconds": evaluator.cpu_seconds,
        **{f"{name}_train": value for name, value in train.items()},
        **{f"{name}_real": value for name, value in real.items()},
        "real_languages": own,
        "memorised_by": error,
        "memorised": bool(real[error] - train[error] > MEMORISED[error]),
    }


def check_fit(described: Mapping) -> None:
    """Raises CheckpointError where an evaluator, as `describe` says, was found and is unfit."""
    error = described["memorised_by"]
    wrong = described[f"{error}_train"]
    if described["found"] and wrong > UNFIT[error]:
        raise CheckpointError(
            f"{described['workdir']}: the reader that lies here is unfit: on real clips of train "
            f"its {error.upper()} is {wrong:.0%}; delete it or name another"
        )


def read_by(described: Mapping) -> str:
    """Whose reader has read the clips, and how well it reads real ones, in a line."""
    error, came = described["memorised_by"], "trained now"
    if described.get("found", True):  # reports from before do not say
        came = "found"
    return (
        f"read by: {described['kind'].partition(',')[0]}, seed {described['seed']}, {came} in "
        f"{described['workdir']}; {error.upper()} on real clips {described[f'{error}_real']:.1%}"
    )


def _all_scores(read, texts):
    return score_texts(read, texts)[0]
