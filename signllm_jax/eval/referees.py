"""Figures of a row of clips beside real takes, where texts have several: each sees its own fault.

A distance cannot see that a production averages signers away: the mean pose is nearer to a real
take than another real take is. `docs/referees.md` shows which figure sees what.
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
"""Between which values a figure says nothing against a row."""
BESIDE_REAL: dict[str, tuple[float, float]] = {
    "cer": (-1.0, 0.1),
    "frechet": (-np.inf, 0.07),
    "joints_missing": (-1.0, 0.25),
    "left_handed": (-OTHER_HAND, OTHER_HAND),
}
"""The same of the difference to another real take's."""
BY_REAL: dict[str, tuple[float, float]] = {
    "dtw_expected": (0.0, 1.25),
    "dtw_best": (0.0, 1.25),
    "tau3": (0.8, np.inf),
    "exact_match": (0.9, np.inf),
}
"""The same of the ratio to another real take's."""
_SCORED = ("dtw", "hand_travel", "jerk", "joints_missing")


def figures(
    texts: Sequence[str],
    references: Sequence[PoseClip],
    clips: Sequence[PoseClip],
    real: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """All figures of a row but what a reader reads: `row_figures` and those of `variety`.

    Args:
        texts: N texts, each as often as it has takes.
        references: N real takes.
        clips: N productions, as many as there are takes, so that both sides count alike.
        real: what `real_variety` gives of the takes, where it is known already.
    """
    return row_figures(references, clips) | variety(texts, references, clips, real)


def row_figures(references: Sequence[PoseClip], clips: Sequence[PoseClip]) -> dict[str, float]:
    """The figures of a row that need no second take of a text.

    Returns:
        `dtw` (the mean over all takes), `smooth_travel_ratio` and `smooth_speed_ratio` (of hands
        without jitter, by the real clips'), `hand_travel_ratio`, `hand_speed_ratio` and
        `jerk_ratio` (with it), `frechet`, `duration_ratio` and `joints_missing`; what has no
        meaning is absent.
    """
    scored = summarize(score_clips(references, clips, _SCORED))
    smooth = [smoothed(clip) for clip in references], [smoothed(clip) for clip in clips]
    travels = {
        "smooth": summarize(score_clips(*smooth, ("hand_travel",))).get("hand_travel_ratio"),
        "hand": scored.get("hand_travel_ratio"),
    }
    seconds = [sum(len(clip) / clip.fps for clip in row) for row in (references, clips)]
    found = {
        "dtw": scored.get("dtw"),
        "jerk_ratio": scored.get("jerk_ratio"),
        "joints_missing": scored.get("joints_missing"),
        "duration_ratio": seconds[1] / seconds[0],
    }
    for name, travel in travels.items():
        found[f"{name}_travel_ratio"] = travel
        if travel is not None and seconds[1]:
            found[f"{name}_speed_ratio"] = travel * seconds[0] / seconds[1]
    with contextlib.suppress(DataError):  # too few frames
        found["frechet"] = frechet_pose_distance(references, clips)
    return {name: float(value) for name, value in found.items() if value is not None}


def other_takes(texts: Sequence[str], clips: Sequence[PoseClip]) -> list[PoseClip | None]:
    """For every clip the next take of its text; None where the text has one take only."""
    found: list[PoseClip | None] = [None] * len(clips)
    for own in places_of(texts).values():
        for place, following in zip(own, own[1:] + own[:1] if len(own) > 1 else ()):
            found[place] = clips[following]
    return found


def mean_take(takes: Sequence[PoseClip]) -> PoseClip:
    """The mean of takes of one text, resampled to their median length: what a squared error asks.

    A joint is the mean over the takes that show it, and is shown where most of them show it.

    Args:
        takes: one at least, of one layout, none without frames.
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


def fired(found: Mapping[str, float], real: Mapping[str, float]) -> set[str]:
    """The figures that say that something is wrong with a row.

    Args:
        found: of the row.
        real: of another real take's row.
    """
    values = {name: (found[name], BOUNDS[name]) for name in BOUNDS if name in found}
    for name in BESIDE_REAL:
        if name in found and name in real:
            values[name] = found[name] - real[name], BESIDE_REAL[name]
    for name in BY_REAL:
        if name in found and real.get(name, 0) > 0:
            values[name] = found[name] / real[name], BY_REAL[name]
    return {name for name, (value, (low, high)) in values.items() if not low <= value <= high}
