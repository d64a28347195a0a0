"""Scoring of productions against their references: clips in, one number a clip and metric out."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import numpy as np

from signllm_jax.core.errors import DataError
from signllm_jax.core.skeleton import get_layout
from signllm_jax.core.typing import Array
from signllm_jax.metrics import dtw, motion, pose_metrics
from signllm_jax.poses.clip import PoseClip

_BATCH = 16  # pairs a compiled call: costs of 16 pairs stay in the cache of a CPU core
_WORTH = 8  # batches that a padded length has to serve
_MULTIPLE = 64  # of frames, that clips are padded to
_FLAT = ("dwpose128",)  # layouts whose third number is no coordinate


class Pairs(NamedTuple):
    """N pairs of clips, padded to one shape.

    Attributes:
        reference: float32 [N, T, J, 3], shoulder widths.
        observed: bool [N, T, J], the joints seen in the reference.
        produced: float32 [N, T, J, 3].
        produced_observed: bool [N, T, J].
        n: int32 [N], lengths of the references; 0 for an empty one.
        m: int32 [N], lengths of the productions; 0 for an empty one.
        fps: float32 [N], frames per second of the references.
        produced_fps: float32 [N].
    """

    reference: Array
    observed: Array
    produced: Array
    produced_observed: Array
    n: Array
    m: Array
    fps: Array
    produced_fps: Array


def _check(references: Sequence[PoseClip], produced: Sequence[PoseClip]) -> None:
    if not references or len(references) != len(produced):
        raise DataError(
            f"{len(produced)} productions cannot be paired with {len(references)} references"
        )
    layout = references[0].layout
    for index, pair in enumerate(zip(references, produced)):
        for clip in pair:
            if clip.layout != layout:
                raise DataError(f"pair {index}: a {clip.layout} clip among {layout} clips")


def pad_pairs(
    references: Sequence[PoseClip],
    produced: Sequence[PoseClip],
    frames: int = 0,
    multiple: int = _MULTIPLE,
) -> Pairs:
    """Pads clips to one shape, T = the longest (at least `frames`) rounded up to a `multiple`.

    Raises:
        DataError: there is nothing to pair, the counts differ, or the layouts do.
    """
    _check(references, produced)
    longest = max(frames, 1, *(len(clip) for clip in (*references, *produced)))
    length = -(-longest // multiple) * multiple
    flat = references[0].layout in _FLAT

    def stack(clips):
        positions = np.zeros((len(clips), length, clips[0].skeleton.size, 3), np.float32)
        observed = np.zeros(positions.shape[:3], bool)
        for row, clip in enumerate(clips):
            positions[row, : len(clip)] = np.where(clip.observed[..., None], clip.positions, 0)
            observed[row, : len(clip)] = clip.observed
        if flat:
            positions[..., 2] = 0
        lengths = np.array([len(clip) for clip in clips], np.int32)
        return positions, observed, lengths, np.array([clip.fps for clip in clips], np.float32)

    reference, observed, n, fps = stack(references)
    made, made_observed, m, made_fps = stack(produced)
    return Pairs(reference, observed, made, made_observed, n, m, fps, made_fps)


@partial(jax.jit, static_argnames=("layout", "only"))
def score_pairs(pairs: Pairs, layout: str, only: tuple[str, ...] = ()) -> dict[str, Array]:
    """All pose metrics of a padded batch: name -> float32 [N], NaN where meaningless.

    With `only`, just the metrics whose name starts with one of them; the others cost nothing.

    Names: `dtw` (the project's DTW distance), `progressive_dtw`, `dtw_mje`, `dtw_mje_pairs` (the
    weight of its mean over clips), `ndtw_mje`, `mje`, `pa_mpjpe_body`, `pa_mpjpe_hands`,
    `velocity_error`, `acceleration_error`, `duration_ratio`, `joints_missing`, `joints_added`
    (shares); and `hand_travel`, `left_wrist_travel`, `right_wrist_travel` (shoulder widths), `jerk`
    of the hands, each with the reference's own as `<name>_reference`.
    """
    both = (pairs.reference, pairs.observed, pairs.produced, pairs.n, pairs.m)
    skeleton = get_layout(layout)
    body, left, right = (skeleton.groups[name] for name in ("body", "left_hand", "right_hand"))
    wrists = tuple((skeleton.index(f"{side}_wrist"),) for side in ("left", "right"))
    error, aligned = pose_metrics.dtw_mje(*both)
    body_error, hands_error = pose_metrics.pa_mpjpe(*both, ((body,), (left, right)))
    scores = {
        "dtw": dtw.dtw_distance(*both, pairs.produced_observed),
        "progressive_dtw": pose_metrics.progressive_dtw(*both),
        "dtw_mje": error,
        "dtw_mje_pairs": aligned,
        "ndtw_mje": pose_metrics.ndtw_mje(*both[:3], pairs.produced_observed, pairs.n, pairs.m),
        "mje": pose_metrics.mean_joint_error(*both),
        "pa_mpjpe_body": body_error,
        "pa_mpjpe_hands": hands_error,
        "velocity_error": pose_metrics.derivative_error(*both, 1),
        "acceleration_error": pose_metrics.derivative_error(*both, 2),
        "duration_ratio": motion.duration_ratio(pairs.n, pairs.m, pairs.fps, pairs.produced_fps),
    }
    made, real = motion.hand_travel(
        *both[:3], pairs.produced_observed, *both[3:], (left, right, *wrists)
    )
    lacking, added = motion.missing_joints(
        pairs.observed, pairs.produced_observed, pairs.n, pairs.m
    )
    scores |= {"joints_missing": lacking, "joints_added": added}
    common = motion.common_joints(pairs.observed, pairs.produced_observed, pairs.n, pairs.m)
    scores["jerk_reference"] = motion.jerk(
        pairs.reference, common[0], pairs.n, pairs.fps, (*left, *right)
    )
    scores["jerk"] = motion.jerk(
        pairs.produced, common[1], pairs.m, pairs.produced_fps, (*left, *right)
    )
    for suffix, travel in (("", made), ("_reference", real)):
        scores["hand_travel" + suffix] = travel[:, 0] + travel[:, 1]
        scores["left_wrist_travel" + suffix] = travel[:, 2]
        scores["right_wrist_travel" + suffix] = travel[:, 3]
    if only:
        scores = {name: values for name, values in scores.items() if name.startswith(only)}
    return scores


def score_clips(
    references: Sequence[PoseClip], produced: Sequence[PoseClip], only: tuple[str, ...] = ()
) -> dict[str, np.ndarray]:
    """`score_pairs` over any number of clips: name -> float32 [number of clips].

    Pairs of like lengths are scored together, padded to one of few lengths: the work grows with the
    square of the length, and each length is compiled once. Raises DataError as `pad_pairs` does.
    """
    _check(references, produced)
    lengths = np.array([max(len(a), len(b), 1) for a, b in zip(references, produced)])
    order, padded = np.argsort(lengths, kind="stable"), _padded_lengths(lengths)
    scores: dict[str, np.ndarray] = {}
    for start in range(0, len(order), _BATCH):
        chosen = order[start : start + _BATCH]
        length = int(padded[chosen].max())
        real, made = ([clips[i] for i in chosen] for clips in (references, produced))
        pairs = pad_pairs(real, made, length)
        missing = _BATCH - len(chosen)
        full = Pairs(*(np.pad(a, ((0, missing),) + ((0, 0),) * (a.ndim - 1)) for a in pairs))
        found = jax.device_get(score_pairs(full, references[0].layout, only))
        for name, values in found.items():
            whole = scores.setdefault(name, np.zeros(len(order), values.dtype))
            whole[chosen] = values[: len(chosen)]
    return scores


def _padded_lengths(lengths: np.ndarray) -> np.ndarray:
    """What each pair is padded to: the longest of all, or a half of it, a quarter ...

    A shorter length is one more compilation, so it has to serve a number of batches.
    """
    padded = np.full(len(lengths), _rounded(int(lengths.max())))
    half = _rounded(int(padded[0]) // 2)
    while (lengths <= half).sum() >= _WORTH * _BATCH and half < padded.min():
        padded[lengths <= half] = half
        half = _rounded(half // 2)
    return padded


def _rounded(frames: int) -> int:
    return -(-frames // _MULTIPLE) * _MULTIPLE


def summarize(scores: dict[str, np.ndarray]) -> dict[str, float]:
    """Corpus figures of `score_clips`: flat, what has no meaning for any clip is absent.

    Means over the clips for which a metric has a meaning; `dtw_mje` over all aligned frames, as in
    its source; `hand_travel_ratio` as total over total; `wrist_travel_ratio` the ratio of means
    averaged over the wrists seen, as in the SLRTP 2025 challenge; `jerk_ratio` as total over total;
    `collapse` is True when the hands travel less than half as far as the reference's. Beside them
    `clips`, and `<metric>_excluded`
    for every metric that had no meaning for that many clips (0 is left out).
    """
    clips = len(next(iter(scores.values())))
    weights = {"dtw_mje": scores.get("dtw_mje_pairs", np.ones(clips))}
    summary: dict[str, float] = {"clips": clips}
    for name, values in scores.items():
        finite = np.isfinite(values)
        if name != "dtw_mje_pairs" and not name.endswith("_reference") and not finite.all():
            summary[f"{name}_excluded"] = int((~finite).sum())
        paired = "travel" in name or name.startswith("jerk")
        if name != "dtw_mje_pairs" and not paired and finite.any():
            weight = np.asarray(weights.get(name, np.ones(clips)))[finite]
            summary[name] = float(np.average(values[finite].astype(np.float64), weights=weight))

    def ratio(name):
        if name not in scores:
            return np.nan
        made, real = scores[name], scores[f"{name}_reference"]
        finite = np.isfinite(made) & np.isfinite(real)
        total = real[finite].sum(dtype=np.float64)
        return made[finite].sum(dtype=np.float64) / total if total > 0 else np.nan

    hands = ratio("hand_travel")
    wrists = [ratio(f"{side}_wrist_travel") for side in ("left", "right")]
    if np.isfinite(wrists).any():
        summary["wrist_travel_ratio"] = float(np.nanmean(wrists))
    if np.isfinite(jerk := ratio("jerk")):
        summary["jerk_ratio"] = float(jerk)
    if np.isfinite(hands):
        summary["hand_travel_ratio"] = float(hands)
        summary["collapse"] = bool(hands < motion.COLLAPSE)
    return summary


def mean_pose(clips: Sequence[PoseClip]) -> np.ndarray:
    """The mean frame [J, 3] over all frames of `clips`, each joint over those that show it.

    A joint that no frame shows stays at the origin. Raises DataError when there is no clip.
    """
    if not clips:
        raise DataError("a mean pose needs at least one clip")
    total = sum((clip.positions * clip.observed[..., None]).sum(0, np.float64) for clip in clips)
    seen = sum(clip.observed.sum(axis=0) for clip in clips)
    return (total / np.maximum(seen, 1)[:, None]).astype(np.float32)


def held(pose: np.ndarray, like: PoseClip) -> PoseClip:
    """A clip that holds `pose` [J, 3] as long as `like` lasts: the mean-pose row of a report."""
    positions = np.repeat(pose[None].astype(np.float32), len(like), axis=0)
    return PoseClip(positions, np.ones(positions.shape[:2], np.float32), like.fps, like.layout)
