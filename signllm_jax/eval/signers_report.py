"""What a run reaches on texts by many signers, beside real takes, their mean and the mean pose.

Where signers differ a distance cannot see that a production averages them: the mean pose is nearer
to a real take than another real take is. Travel, speed and the Frechet distance can.
"""

import os
from collections.abc import Sequence

import numpy as np

from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.errors import ConfigError
from signllm_jax.corpora import signers, spelled_signers
from signllm_jax.corpora.fingerspelling import spell
from signllm_jax.corpora.joining import join_letters
from signllm_jax.corpora.published import has_signers
from signllm_jax.eval.eval_set import Language, fill_rows, open_texts
from signllm_jax.eval.evaluators import Evaluator, reader_of, trained_inside
from signllm_jax.eval.referees import other_takes, row_figures
from signllm_jax.metrics.pairs import held
from signllm_jax.metrics.text_metrics import cer
from signllm_jax.poses.clip import PoseClip


def evaluate_signers(workdir: str | os.PathLike, data_dir: str | None = None) -> dict:
    """The rows of both tests of a run on `fingerspelling_signers`.

    Args:
        workdir: of the run; a reader is trained in it where there is none.
        data_dir: of the prepared data; by default the run's.

    Returns:
        Split -> row -> `cer` and the figures of `row_figures`; and `seed`.

    Raises:
        ConfigError: the run is on other data.
    """
    run = Workdir(workdir)
    config, _ = run.read_config()
    if not has_signers(config.data.dataset):
        raise ConfigError(f"{run.path}: {config.data.dataset} does not have several signers")
    found: dict = {"seed": config.train.seed}
    reader: Evaluator | None = None
    for split in ("test", spelled_signers.SIGNER_TEST):
        evaluated = open_texts(run, split, data_dir)
        ((code, each),) = evaluated.languages.items()
        fill_rows(evaluated, 0)
        if reader is None:
            (reader,) = trained_inside(run, evaluated.languages, (0,), reader_of(config))
        found[split] = _rows(code, each, reader)
    return found


def _rows(code: str, each: Language, reader: Evaluator) -> dict[str, dict]:
    """Row -> figures against all real clips of the split."""
    rows = {
        "real take": other_takes(each.texts, each.references),
        "conditional mean": _conditional_means(each.texts),
        "mean pose": [held(each.statistics.mean_pose, clip) for clip in each.references],
        "produced": each.rows["produced"],
    }
    figures = {"real clips": {"cer": cer(reader.read(code, each.references), each.texts)}}
    for name, clips in rows.items():
        if None not in clips:
            read = cer(reader.read(code, clips), each.texts)
            figures[name] = {"cer": read} | row_figures(each.references, clips)
    return figures


def _conditional_means(texts: Sequence[str]) -> list[PoseClip]:
    """What a squared error asks for, of every text: the mean over the train's signers."""
    made = {text: conditional_mean(text) for text in dict.fromkeys(texts)}
    return [made[text] for text in texts]


def conditional_mean(text: str) -> PoseClip:
    """The mean clip of a text over all signers at the middle tempo.

    A joint is the mean over the signers that show it, and is shown where most of them show it.
    """
    words = [spell(word, spelled_signers.LANGUAGE) for word in text.split()]
    tempo = sum(spelled_signers.TEMPO) // 2
    clips = [
        join_letters(
            [[(unit, signers.signer_alphabet(signer)[unit]) for unit in word] for word in words],
            tempo,
        )
        for signer in signers.SIGNERS
    ]
    weight = np.stack([clip.observed for clip in clips]).astype(np.float32)[..., None]
    total = (np.stack([clip.positions for clip in clips]) * weight).sum(0)
    shown = weight[..., 0].mean(0) > 0.5
    mean = total / np.maximum(weight.sum(0), 1)
    return PoseClip(mean, shown.astype(np.float32), clips[0].fps)
