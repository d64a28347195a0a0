"""The figures of one run of the study of variety, beside real takes, their mean and a mean pose."""

from collections.abc import Callable, Sequence
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
"""Letters of the words that the study is judged by."""
LONGER = 20
"""Texts of more letters that are measured beside them, spread evenly."""
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


def judge_signers(
    workdir: Path,
    data_dir: str | None,
    sample: Callable[[Sequence[str]], list[list[PoseClip]]],
    with_references: bool = True,
    split: str = "test",
) -> dict[str, Any]:
    """The figures of a run on many signers.

    Args:
        workdir: of the run; its reader of letters is trained where it is missing.
        data_dir: of the prepared data, None = the run's.
        sample: texts -> the samples of each.
        with_references: whether the reference rows are made, which are the same of every run.
        split: `test`, or `dev` while settings are chosen.

    Returns:
        The figures of unseen words of 3 to 6 letters; `longer` and, of test, `unseen_signers` with
        their own; `references`, those of another real take, the mean of real takes and the mean
        pose.
    """
    evaluated = open_texts(Workdir(workdir), split, data_dir)
    reader = _reader(workdir, evaluated)
    _, each = _only(evaluated)
    fill = list(dict.fromkeys(each.texts))
    made = dict(zip(fill, sample(fill)))
    small, large = ([t for t in fill if inside(t)] for inside in (_is_short, _is_long))
    large = [large[i] for i in np.linspace(0, len(large) - 1, min(LONGER, len(large))).astype(int)]
    part = _part(each, small)
    found, references = _beside_takes(evaluated, part, made, reader, with_references)
    longer, _ = _beside_takes(evaluated, _part(each, large), made, reader, references=False)
    found |= _hands(each, made) | {"longer": longer}
    if split == "test":
        unseen = open_texts(Workdir(workdir), spelled_signers.SIGNER_TEST, data_dir)
        found["unseen_signers"] = _unseen(unseen, reader, sample)
    return found | {"references": references}


def _only(evaluated: EvalSet) -> tuple[str, Language]:
    ((code, each),) = evaluated.languages.items()
    return code, each


def _reader(workdir: Path, evaluated: EvalSet) -> Evaluator:
    sizes = reader_of(evaluated.config)
    (reader,) = trained_inside(Workdir(workdir), evaluated.languages, (0,), sizes)
    return reader


def _is_short(text: str) -> bool:
    return " " not in text and SHORT[0] <= len(text) <= SHORT[1]


def _is_long(text: str) -> bool:
    return len(text) > SHORT[1]


Part = tuple[list[str], list[PoseClip]]


def _part(each: Language, texts: Sequence[str]) -> Part:
    """The takes of some texts: the text of each, and its clip."""
    chosen = [i for i, text in enumerate(each.texts) if text in {*texts}]
    return [each.texts[i] for i in chosen], [each.references[i] for i in chosen]


def _aligned(texts: Sequence[str], made: dict[str, list[PoseClip]]) -> list[PoseClip]:
    """A sample for every take of a text, each another one."""
    clips: list[PoseClip] = [made[text][0] for text in texts]
    for text, places in places_of(texts).items():
        for place, clip in zip(places, made[text], strict=False):
            clips[place] = clip
    return clips


def _beside_takes(
    evaluated: EvalSet,
    part: Part,
    made: dict[str, list[PoseClip]],
    reader: Evaluator,
    references: bool = True,
) -> tuple[dict[str, Any], dict[str, dict[str, float]]]:
    """The figures of samples beside takes, and those of reference rows where they are asked for."""
    code, each = _only(evaluated)
    texts, takes = part
    real = real_variety(texts, takes)
    still = [held(each.statistics.mean_pose, take) for take in takes]

    def row(clips):
        figures = referees.figures(texts, takes, clips, real)
        named = {NAMES[name]: figures[name] for name in NAMES if name in figures}
        return {"cer": cer(reader.read(code, clips), texts)} | named

    found = row(_aligned(texts, made))
    pose = referees.row_figures(takes, still)["dtw"]
    found["best_of_4_over_mean_pose"] = found["best_of_4"] / pose
    found["cer_real"] = cer(reader.read(code, takes), texts)
    found["texts"], found["clips"] = len(set(texts)), len(texts)
    if not references:
        return found, {}
    language = Language(each.train, each.tokenizer, each.statistics, texts, references=takes)
    means = takes_report.means(evaluated.config, code, language)
    rows = {
        "another real take": row(referees.other_takes(texts, takes)),
        "mean of real takes": row(means),
        "mean pose": row(still),
    }
    for figures in rows.values():
        figures["best_of_4_over_mean_pose"] = figures["best_of_4"] / pose
    return found, rows


def _hands(each: Language, made: dict[str, list[PoseClip]]) -> dict[str, float]:
    """Which hands sign all samples of all texts; the real share is that of the takes."""
    own = _part(each, each.texts)
    real = hand_use(*own, own[1])
    texts = [text for text, clips in made.items() for _ in clips]
    first = {text: places[0] for text, places in places_of(own[0]).items()}
    takes = [own[1][first[text]] for text in texts]
    found = hand_use(texts, takes, [clip for clips in made.values() for clip in clips])
    return {
        "mixed_hands": found["mixed_hands"],
        "left_handed": found["left_handed"],
        "real_left_handed": real["left_handed_real"],
        "hand_samples": found["one_handed"],
    }


def _unseen(
    evaluated: EvalSet, reader: Evaluator, sample: Callable[[Sequence[str]], list[list[PoseClip]]]
) -> dict[str, float]:
    """Texts by signers of whom nothing was trained: one take of each, one sample."""
    code, each = _only(evaluated)
    clips = [own[0] for own in sample(each.texts)]
    figures = referees.row_figures(each.references, clips)
    return {
        "cer": cer(reader.read(code, clips), each.texts),
        "cer_real": cer(reader.read(code, each.references), each.texts),
    } | {NAMES[name]: figures[name] for name in NAMES if name in figures}


def judge_takes(
    workdir: Path,
    reader: Evaluator,
    sample: Callable[[Sequence[str]], list[list[PoseClip]]],
    with_references: bool = True,
    split: str = "test",
) -> dict[str, Any]:
    """The figures of a run on takes of signs, on sessions that were never seen.

    Args:
        workdir: of the run.
        reader: of signs, trained on the train sessions.
        sample: texts -> `MOST` samples of each.
        with_references: as of `judge_signers`.
        split: as of `judge_signers`.

    Returns:
        The figures, `sign_read`, `sign_read_real` and `sign_read_over_real` among them, and
        `references`.
    """
    evaluated = open_texts(Workdir(workdir), split)
    code, each = _only(evaluated)
    chosen = [i for own in places_of(each.texts).values() for i in own[:MOST]]
    texts, takes = [each.texts[i] for i in chosen], [each.references[i] for i in chosen]
    names = list(dict.fromkeys(texts))
    made = dict(zip(names, sample(names)))
    real = real_variety(texts, takes)
    read_real = _read_right(reader, code, takes, texts)

    def row(clips):
        figures = referees.figures(texts, takes, clips, real)
        read = _read_right(reader, code, clips, texts)
        named = {NAMES[name]: figures[name] for name in NAMES if name in figures}
        return {"sign_read": read, "sign_read_over_real": read / max(read_real, 1e-9)} | named

    found = row(_aligned(texts, made)) | {"sign_read_real": read_real, "clips": len(texts)}
    found |= {"texts": len(names), "references": {}}
    if not with_references:
        return found
    language = Language(each.train, each.tokenizer, each.statistics, texts, references=takes)
    rows = {
        "another real take": row(referees.other_takes(texts, takes)),
        "mean of real takes": row(takes_report.means(evaluated.config, code, language)),
        "mean pose": row([held(each.statistics.mean_pose, take) for take in takes]),
    }
    return found | {"references": rows}


def _read_right(
    reader: Evaluator, code: str, clips: Sequence[PoseClip], texts: Sequence[str]
) -> float:
    read = reader.read(code, clips)
    return float(np.mean([said == text for said, text in zip(read, texts, strict=True)]))
