"""Figures of a row of clips beside real takes, where texts have several: each detects a fault.

A distance does not show that a production averages signers: the mean pose is nearer to a real take
than another real take is. `docs/referees.md` shows which figure detects which fault.
"""

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from signllm_jax.core.errors import DataError
from signllm_jax.metrics.frechet import frechet_pose_distance
from signllm_jax.metrics.motion import JERKY, LONG, MIXED_CLIPS, ONE_MODE, OTHER_HAND, RESTLESS
from signllm_jax.metrics.pairs import score_clips, summarize
from signllm_jax.metrics.variety import places_of, variety
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.smooth import smoothed

FIGURES = (
    *("cer", "exact_match", "dtw_expected", "dtw_best", "smooth_travel_ratio"),
    *("smooth_speed_ratio", "hand_travel_ratio", "hand_speed_ratio", "jerk_ratio"),
    *("duration_ratio", "joints_missing", "tstd_ratio", "frechet", "diversity_ratio"),
    *("tau1", "tau2", "tau3", "mixed_hands", "left_handed"),
)
"""The figures of a row, in the order of a table."""
BOUNDS: dict[str, tuple[float, float]] = {
    "smooth_travel_ratio": (0.8, 1.25),
    "smooth_speed_ratio": (0.8, 1.25),
    "hand_travel_ratio": (1 / RESTLESS, RESTLESS),
    "hand_speed_ratio": (1 / RESTLESS, RESTLESS),
    "jerk_ratio": (1 / JERKY, JERKY),
    "duration_ratio": (1 / LONG, LONG),
    "tstd_ratio": (0.8, 1.25),
    "diversity_ratio": (ONE_MODE, 1 / ONE_MODE),
    "tau1": (0.5, 2.0),
    "tau2": (0.5, 2.0),
    "mixed_hands": (0.0, MIXED_CLIPS),
}
"""Range of each figure in which it shows no fault of a row."""
BESIDE_REAL: dict[str, tuple[float, float]] = {
    "cer": (-1.0, 0.1),
    "frechet": (-np.inf, 0.07),
    "joints_missing": (-1.0, 0.25),
    "left_handed": (-OTHER_HAND, OTHER_HAND),
}
"""The same for the difference to the figure of another real take."""
BY_REAL: dict[str, tuple[float, float]] = {
    "dtw_expected": (0.0, 1.25),
    "dtw_best": (0.0, 1.25),
    "tau3": (0.8, np.inf),
    "exact_match": (0.9, np.inf),
}
"""The same for the ratio to the figure of another real take."""
_SCORED = ("dtw", "hand_travel", "jerk", "joints_missing")


def figures(
    texts: Sequence[str],
    references: Sequence[PoseClip],
    clips: Sequence[PoseClip],
    real: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """All figures of a row without a reader: `row_figures` and those of `variety`.

    Args:
        texts: N texts, each as often as it has takes.
        references: N real takes.
        clips: N productions, one per take, so that both sides have equal weights.
        real: Figures of `real_variety` for the takes, where they are known already.
    """
    return row_figures(references, clips) | variety(texts, references, clips, real)


def row_figures(references: Sequence[PoseClip], clips: Sequence[PoseClip]) -> dict[str, float]:
    """The figures of a row that need no second take of a text.

    Returns:
        `dtw` (the mean over all takes), `smooth_travel_ratio` and `smooth_speed_ratio` (of the
        hands without jitter, by the real clips' values), `hand_travel_ratio`, `hand_speed_ratio`
        and `jerk_ratio` (with jitter), `frechet`, `duration_ratio` and `joints_missing`. Figures
        without a meaning are absent.
    """
    scored = summarize(score_clips(references, clips, _SCORED))
    smooth = [smoothed(clip) for clip in references], [smoothed(clip) for clip in clips]
    travels = {
        "smooth": summarize(score_clips(*smooth, ("hand_travel",))).get("hand_travel_ratio"),
        "hand": scored.get("hand_travel_ratio"),
    }
    real_seconds, seconds = (sum(clip.seconds for clip in row) for row in (references, clips))
    figures = {name: scored.get(name) for name in ("dtw", "jerk_ratio", "joints_missing")}
    figures["duration_ratio"] = seconds / real_seconds
    for name, travel in travels.items():
        figures[f"{name}_travel_ratio"] = travel
        if travel is not None and seconds:
            figures[f"{name}_speed_ratio"] = travel * real_seconds / seconds
    with contextlib.suppress(DataError):  # too few frames
        figures["frechet"] = frechet_pose_distance(references, clips)
    return {name: float(value) for name, value in figures.items() if value is not None}


def other_takes(texts: Sequence[str], clips: Sequence[PoseClip]) -> list[PoseClip | None]:
    """For every clip another one of the same text; None where the text has one clip only.

    It is the next clip of the text, and for the last one the first, so that each is taken once.
    """
    others: dict[int, PoseClip] = {}
    for indices in places_of(texts).values():
        if len(indices) > 1:
            others |= {i: clips[j] for i, j in zip(indices, indices[1:] + indices[:1])}
    return [others.get(i) for i in range(len(clips))]


def mean_take(takes: Sequence[PoseClip]) -> PoseClip:
    """The mean of takes of one text, resampled to their median length.

    It minimizes a squared error. A joint is the mean over the takes that show it, and is shown
    where most of them show it.

    Args:
        takes: At least one clip, all of one layout, none without frames.
    """
    length = int(np.median([len(take) for take in takes]))
    total = np.zeros((length, *takes[0].positions.shape[1:]), np.float64)
    weight = np.zeros((length, takes[0].positions.shape[1], 1), np.float64)
    for take in takes:
        nearest = np.round(np.linspace(0, len(take) - 1, length)).astype(int)
        shown = take.observed[nearest][..., None]
        total += shown * take.positions[nearest]
        weight += shown
    confidence = (weight[..., 0] / len(takes) > 0.5).astype(np.float32)
    mean = (total / np.maximum(weight, 1)).astype(np.float32)
    return dataclasses.replace(takes[0], positions=mean, confidence=confidence)


def fired(figures: Mapping[str, float], real: Mapping[str, float]) -> set[str]:
    """The figures that show a fault of a row.

    Args:
        figures: Figures of the row.
        real: Figures of the row of another real take.
    """
    values = {name: (figures[name], BOUNDS[name]) for name in BOUNDS if name in figures}
    for name in BESIDE_REAL:
        if name in figures and name in real:
            values[name] = figures[name] - real[name], BESIDE_REAL[name]
    for name in BY_REAL:
        if name in figures and real.get(name, 0) > 0:
            values[name] = figures[name] / real[name], BY_REAL[name]
    return {name for name, (value, (low, high)) in values.items() if not low <= value <= high}
