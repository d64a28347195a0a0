"""The figures of one run of the study of variety, beside real takes, their mean and a mean pose."""

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.corpora import spelled_signers
from signllm_jax.eval import referees, takes_report
from signllm_jax.eval.eval_set import EvalSet, Language, open_texts
from signllm_jax.eval.evaluators import Evaluator, reader_of, trained_inside
from signllm_jax.metrics.hands import hand_use
from signllm_jax.metrics.pairs import held
from signllm_jax.metrics.text_metrics import cer
from signllm_jax.metrics.variety import places_of, real_variety
from signllm_jax.poses.clip import PoseClip

SHORT = (3, 6)
"""Least and greatest number of letters of the words that the study is judged by."""
LONGER = 20
"""Number of longer texts that are measured too, spread evenly."""
MOST = 8
"""Greatest number of test takes of a sign, and of samples beside them."""
NAMES = {
    "smooth_travel_ratio": "travel",
    "smooth_speed_ratio": "speed",
    "hand_travel_ratio": "raw_travel",
    "jerk_ratio": "raw_jerk",
    "frechet": "frechet",
    "duration_ratio": "duration",
    "joints_missing": "joints_missing",
    "tstd_ratio": "tstd_over_real",
    "diversity_ratio": "diversity_over_real",
    "dtw_expected": "expected_dtw",
    "dtw_best": "best_of_4",
    "tau1": "tau1",
    "tau2": "tau2",
    "tau3": "tau3",
    "mixed_hands": "mixed_hands",
    "left_handed": "left_handed",
    "left_handed_real": "real_left_handed",
}
"""Figures of `referees` -> their names in the study's JSON."""
Sample = Callable[[Sequence[str]], list[list[PoseClip]]]
"""A function that returns the samples of each text."""


def judge_signers(
    workdir: Path,
    data_dir: str | None,
    sample: Sample,
    with_references: bool = True,
    split: str = "test",
) -> dict[str, Any]:
    """The figures of a run on many signers.

    Args:
        workdir: Work directory of the run; its letter reader is trained where it is missing.
        data_dir: Folder of the prepared data, None = the run's.
        sample: Returns the samples of each text.
        with_references: Whether the reference rows are made, which are the same for every run.
        split: `test`, or `dev` while settings are chosen.

    Returns:
        The figures of unseen words of 3 to 6 letters. `longer` has those of longer texts,
        `unseen_signers` (on test only) those of unseen signers, and `references` those of another
        real take, the mean of real takes and the mean pose.
    """
    run = Workdir(workdir)
    evaluated = open_texts(run, split, data_dir)
    (reader,) = trained_inside(run, evaluated.languages, (0,), reader_of(evaluated.config))
    (language,) = evaluated.languages.values()
    texts = list(dict.fromkeys(language.texts))
    made = dict(zip(texts, sample(texts)))
    small = [t for t in texts if " " not in t and SHORT[0] <= len(t) <= SHORT[1]]
    large = [t for t in texts if len(t) > SHORT[1]]
    large = [large[i] for i in np.linspace(0, len(large) - 1, min(LONGER, len(large))).astype(int)]
    figures, references = _beside_takes(evaluated, small, made, reader, with_references)
    longer, _ = _beside_takes(evaluated, large, made, reader, False)
    figures |= _hands(language, made) | {"longer": longer}
    if split == "test":
        unseen = open_texts(run, spelled_signers.SIGNER_TEST, data_dir)
        figures["unseen_signers"] = _unseen(unseen, reader, sample)
    return figures | {"references": references}


def _only(evaluated: EvalSet) -> tuple[str, Language]:
    """The code of the only language, and the language."""
    (item,) = evaluated.languages.items()
    return item


def _named(figures: Mapping[str, float]) -> dict[str, float]:
    """Figures of `referees` under their names in the study's JSON."""
    return {NAMES[name]: figures[name] for name in NAMES if name in figures}


def _aligned(texts: Sequence[str], made: Mapping[str, list[PoseClip]]) -> list[PoseClip]:
    """For every take of a text another one of the text's samples."""
    clips: list[PoseClip] = [made[text][0] for text in texts]
    for text, positions in places_of(texts).items():
        for position, clip in zip(positions, made[text], strict=False):
            clips[position] = clip
    return clips


def _references(
    evaluated: EvalSet,
    texts: list[str],
    takes: list[PoseClip],
    row: Callable[[Sequence[PoseClip | None]], dict[str, float]],
) -> dict[str, dict[str, float]]:
    """The figures of the reference rows.

    Args:
        evaluated: Set with one language.
        texts: N texts.
        takes: A real take of each text.
        row: Returns the figures of N clips.
    """
    code, language = _only(evaluated)
    chosen = dataclasses.replace(language, texts=texts, references=takes)
    return {
        "another real take": row(referees.other_takes(texts, takes)),
        "mean of real takes": row(takes_report.means(evaluated.config, code, chosen)),
        "mean pose": row([held(language.statistics.mean_pose, take) for take in takes]),
    }


def _beside_takes(
    evaluated: EvalSet,
    chosen: Collection[str],
    made: Mapping[str, list[PoseClip]],
    reader: Evaluator,
    with_references: bool,
) -> tuple[dict[str, Any], dict[str, dict[str, float]]]:
    """The figures of samples of some texts beside their takes, and those of any reference rows."""
    code, language = _only(evaluated)
    texts = [text for text in language.texts if text in chosen]
    takes = [take for text, take in zip(language.texts, language.references) if text in chosen]
    real = real_variety(texts, takes)
    still = [held(language.statistics.mean_pose, take) for take in takes]
    pose = referees.row_figures(takes, still)["dtw"]

    def row(clips):
        figures = _named(referees.figures(texts, takes, clips, real))
        ratio = {"best_of_4_over_mean_pose": figures["best_of_4"] / pose}
        return {"cer": cer(reader.read(code, clips), texts)} | figures | ratio

    figures = row(_aligned(texts, made))
    figures["cer_real"] = cer(reader.read(code, takes), texts)
    figures["texts"], figures["clips"] = len(set(texts)), len(texts)
    return figures, _references(evaluated, texts, takes, row) if with_references else {}


def _hands(language: Language, made: Mapping[str, list[PoseClip]]) -> dict[str, float]:
    """The hands that sign all samples of all texts; the real share is that of the takes."""
    takes = language.references
    real = hand_use(language.texts, takes, takes)
    texts = [text for text, clips in made.items() for _ in clips]
    first = {text: takes[positions[0]] for text, positions in places_of(language.texts).items()}
    clips = [clip for clips in made.values() for clip in clips]
    shares = hand_use(texts, [first[text] for text in texts], clips)
    return {
        "mixed_hands": shares["mixed_hands"],
        "left_handed": shares["left_handed"],
        "real_left_handed": real["left_handed_real"],
        "hand_samples": shares["one_handed"],
    }


def _unseen(evaluated: EvalSet, reader: Evaluator, sample: Sample) -> dict[str, float]:
    """The figures of texts by signers that were not trained on: one take and sample of each."""
    code, language = _only(evaluated)
    clips = [samples[0] for samples in sample(language.texts)]
    return {
        "cer": cer(reader.read(code, clips), language.texts),
        "cer_real": cer(reader.read(code, language.references), language.texts),
    } | _named(referees.row_figures(language.references, clips))


def judge_takes(
    workdir: Path,
    reader: Evaluator,
    sample: Sample,
    with_references: bool = True,
    split: str = "test",
) -> dict[str, Any]:
    """The figures of a run on takes of signs, on sessions that were never seen.

    Args:
        workdir: Work directory of the run.
        reader: Sign reader, trained on the train sessions.
        sample: Returns `MOST` samples of each text.
        with_references: See `judge_signers`.
        split: See `judge_signers`.

    Returns:
        The figures, `sign_read`, `sign_read_real` and `sign_read_over_real` among them, and
        `references`.
    """
    evaluated = open_texts(Workdir(workdir), split)
    code, language = _only(evaluated)
    chosen = [i for positions in places_of(language.texts).values() for i in positions[:MOST]]
    texts, takes = [language.texts[i] for i in chosen], [language.references[i] for i in chosen]
    signs = list(dict.fromkeys(texts))
    made = dict(zip(signs, sample(signs)))
    real = real_variety(texts, takes)

    def read_right(clips):
        pairs = zip(reader.read(code, clips), texts, strict=True)
        return float(np.mean([text == real_text for text, real_text in pairs]))

    read_real = read_right(takes)

    def row(clips):
        read = read_right(clips)
        rates = {"sign_read": read, "sign_read_over_real": read / max(read_real, 1e-9)}
        return rates | _named(referees.figures(texts, takes, clips, real))

    return row(_aligned(texts, made)) | {
        "sign_read_real": read_real,
        "clips": len(texts),
        "texts": len(signs),
        "references": _references(evaluated, texts, takes, row) if with_references else {},
    }
