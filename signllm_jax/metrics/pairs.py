"""Scoring of productions against their references: clips in, one number per clip and metric out."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import jax
import numpy as np
from jaxtyping import Float, Int

from signllm_jax.core.errors import DataError
from signllm_jax.core.skeleton import get_layout
from signllm_jax.core.typing import Array
from signllm_jax.metrics import dtw, motion, pose_metrics
from signllm_jax.metrics.masks import Pairs
from signllm_jax.poses.clip import PoseClip

_BATCH = 16  # pairs per compiled call: costs of 16 pairs stay in the cache of a CPU core
_WORTH = 8  # batches that a padded length has to serve
_MULTIPLE = 64  # padded lengths are multiples of so many frames
_FLAT = ("dwpose128",)  # layouts whose third number is no coordinate


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
    frames: int = 1,
    rows: int = 0,
    multiple: int = _MULTIPLE,
) -> Pairs:
    """Pads clips to one shape; T is the longest length rounded up.

    Args:
        references: Real clips.
        produced: As many productions.
        frames: Least T before rounding.
        rows: Least N; pairs beyond the clips are empty.
        multiple: T is a multiple of this number.

    Raises:
        DataError: There is nothing to pair, the counts differ, or the layouts do.
    """
    _check(references, produced)
    longest = max(frames, *(len(clip) for clip in (*references, *produced)))
    length = _rounded(longest, multiple)

    def stack(clips):
        size = max(rows, len(clips))
        positions = np.zeros((size, length, clips[0].skeleton.size, 3), np.float32)
        observed = np.zeros(positions.shape[:3], bool)
        lengths, fps = np.zeros(size, np.int32), np.zeros(size, np.float32)
        for row, clip in enumerate(clips):
            positions[row, : len(clip)] = np.where(clip.observed[..., None], clip.positions, 0)
            observed[row, : len(clip)] = clip.observed
            lengths[row], fps[row] = len(clip), clip.fps
        if clips[0].layout in _FLAT:
            positions[..., 2] = 0
        return positions, observed, lengths, fps

    reference, observed, n, fps = stack(references)
    made, made_observed, m, made_fps = stack(produced)
    return Pairs(reference, observed, made, made_observed, n, m, fps, made_fps)


@partial(jax.jit, static_argnames=("layout", "only"))
def score_pairs(
    pairs: Pairs, layout: str, only: tuple[str, ...] = ()
) -> dict[str, Float[Array, " N"]]:
    """All pose metrics of a padded batch by name, NaN where a metric has no meaning.

    With `only`, just the metrics whose name starts with one of them; the others cost nothing.

    Names: `dtw` (the project's DTW distance), `progressive_dtw`, `dtw_mje`, `dtw_mje_pairs` (the
    weight of its mean over clips), `ndtw_mje`, `mje`, `pa_mpjpe_body`, `pa_mpjpe_hands`,
    `velocity_error`, `acceleration_error`, `duration_ratio`, `joints_missing`, `joints_added`
    (shares); and `hand_travel`, `left_wrist_travel`, `right_wrist_travel` (shoulder widths), `jerk`
    of the hands, each with the reference's as `<name>_reference`, over the joints that both clips
    show.
    """
    skeleton = get_layout(layout)
    body, left, right = (skeleton.groups[name] for name in ("body", "left_hand", "right_hand"))
    wrists = [(skeleton.index(f"{side}_wrist"),) for side in ("left", "right")]
    error, aligned = pose_metrics.dtw_mje(pairs)
    body_error, hands_error = pose_metrics.pa_mpjpe(pairs, ((body,), (left, right)))
    missing, added = motion.missing_joints(pairs)
    scores = {
        "dtw": dtw.dtw_distance(*pairs[:3], pairs.n, pairs.m, pairs.produced_observed),
        "progressive_dtw": pose_metrics.progressive_dtw(pairs),
        "dtw_mje": error,
        "dtw_mje_pairs": aligned,
        "ndtw_mje": pose_metrics.ndtw_mje(pairs),
        "mje": pose_metrics.derivative_error(pairs, 0),
        "pa_mpjpe_body": body_error,
        "pa_mpjpe_hands": hands_error,
        "velocity_error": pose_metrics.derivative_error(pairs, 1),
        "acceleration_error": pose_metrics.derivative_error(pairs, 2),
        "duration_ratio": motion.duration_ratio(pairs),
        "joints_missing": missing,
        "joints_added": added,
    }
    seen, shown = motion.common_joints(pairs)
    for suffix, positions, mask, length, fps in (
        ("", pairs.produced, shown, pairs.m, pairs.produced_fps),
        ("_reference", pairs.reference, seen, pairs.n, pairs.fps),
    ):
        travel = motion.travel(positions, mask, length, (left, right, *wrists))
        scores["hand_travel" + suffix] = travel[:, 0] + travel[:, 1]
        scores["left_wrist_travel" + suffix] = travel[:, 2]
        scores["right_wrist_travel" + suffix] = travel[:, 3]
        scores["jerk" + suffix] = motion.jerk(positions, mask, length, fps, (*left, *right))
    return {name: values for name, values in scores.items() if name.startswith(only or "")}


def score_clips(
    references: Sequence[PoseClip], produced: Sequence[PoseClip], only: tuple[str, ...] = ()
) -> dict[str, Float[np.ndarray, " N"]]:
    """`score_pairs` over any number of clips: name -> a float32 per pair.

    Pairs of similar lengths are scored together, padded to one of few lengths: the work grows with
    the square of the length, and each length is compiled once. Raises DataError as `pad_pairs`.
    """
    _check(references, produced)
    lengths = _padded_lengths(rounded_lengths(references, produced))
    scores: dict[str, np.ndarray] = {}
    for chosen, pairs in batches(references, produced, lengths):
        batch = jax.device_get(score_pairs(pairs, references[0].layout, only))
        for name, values in batch.items():
            whole = scores.setdefault(name, np.zeros(len(references), np.float32))
            whole[chosen] = values[: len(chosen)]
    return scores


def batches(
    references: Sequence[PoseClip], produced: Sequence[PoseClip], lengths: Int[np.ndarray, " N"]
) -> Iterator[tuple[Int[np.ndarray, " _"], Pairs]]:
    """Yields the indices of pairs of similar lengths, and a full batch that begins with these.

    Args:
        references: N real clips.
        produced: N productions.
        lengths: Frames that each pair is padded to at least.
    """
    order = np.argsort(lengths, kind="stable")
    for start in range(0, len(order), _BATCH):
        chosen = order[start : start + _BATCH]
        real, made = ([clips[i] for i in chosen] for clips in (references, produced))
        yield chosen, pad_pairs(real, made, int(lengths[chosen].max()), _BATCH)


def rounded_lengths(
    references: Sequence[PoseClip], produced: Sequence[PoseClip]
) -> Int[np.ndarray, " N"]:
    """The longer length of each pair, rounded up to a multiple of 64 frames."""
    clips = zip(references, produced, strict=True)
    return np.array([_rounded(max(len(a), len(b), 1)) for a, b in clips], int)


def _padded_lengths(lengths: Int[np.ndarray, " N"]) -> Int[np.ndarray, " N"]:
    """The frames that each pair is padded to: the longest length, or a half of it, a quarter ...

    Every further length is one more compilation, so it has to serve a number of batches.
    """
    padded = np.full(len(lengths), _rounded(int(lengths.max())))
    half = _rounded(int(padded[0]) // 2)
    while (lengths <= half).sum() >= _WORTH * _BATCH and half < padded.min():
        padded[lengths <= half] = half
        half = _rounded(half // 2)
    return padded


def _rounded(frames: int, multiple: int = _MULTIPLE) -> int:
    return -(-frames // multiple) * multiple


def summarize(scores: Mapping[str, Float[np.ndarray, " N"]]) -> dict[str, float]:
    """Corpus figures of `score_clips`; what has no meaning for any clip is absent.

    Each is a mean over the clips for which the metric has a meaning, except: `dtw_mje`, a mean over
    all aligned frames, as in its source; `hand_travel_ratio` and `jerk_ratio`, total by total;
    `wrist_travel_ratio`, the ratio of means, averaged over the wrists seen, as in the SLRTP 2025
    challenge; and `collapse`, True when the hands travel less than half as far as the reference's.
    Further `clips`, and for every metric without a meaning for some clips the number of these as
    `<metric>_excluded`.
    """
    summary: dict[str, float] = {"clips": len(next(iter(scores.values())))}
    ratios = {}
    for name, values in scores.items():
        if name == "dtw_mje_pairs" or name.endswith("_reference"):
            continue
        finite = np.isfinite(values)
        if not finite.all():
            summary[f"{name}_excluded"] = int((~finite).sum())
        reference = scores.get(f"{name}_reference")
        if reference is not None:
            both = finite & np.isfinite(reference)
            made, real = (side[both].sum(dtype=np.float64) for side in (values, reference))
            if real > 0:
                ratios[name] = float(made / real)
        elif finite.any():
            weights = scores["dtw_mje_pairs"][finite] if name == "dtw_mje" else None
            summary[name] = float(np.average(values[finite].astype(np.float64), weights=weights))
    wrists = [ratio for name, ratio in ratios.items() if "wrist" in name]
    if wrists:
        summary["wrist_travel_ratio"] = float(np.mean(wrists))
    if "jerk" in ratios:
        summary["jerk_ratio"] = ratios["jerk"]
    if "hand_travel" in ratios:
        summary["hand_travel_ratio"] = ratios["hand_travel"]
        summary["collapse"] = ratios["hand_travel"] < motion.COLLAPSE
    return summary


def mean_pose(clips: Sequence[PoseClip]) -> Float[np.ndarray, "J 3"]:
    """The mean pose over all frames of `clips`, each joint over those that show it.

    A joint that no frame shows stays at the origin. Raises DataError when there is no clip.
    """
    if not clips:
        raise DataError("a mean pose needs at least one clip")
    total = sum((clip.positions * clip.observed[..., None]).sum(0, np.float64) for clip in clips)
    seen = sum(clip.observed.sum(axis=0) for clip in clips)
    return (total / np.maximum(seen, 1)[:, None]).astype(np.float32)


def held(pose: Float[Array, "J 3"], like: PoseClip) -> PoseClip:
    """A clip that holds `pose` as long as `like` lasts: the mean-pose row of a report."""
    positions = np.repeat(pose[None].astype(np.float32), len(like), axis=0)
    return PoseClip(positions, np.ones(positions.shape[:2], np.float32), like.fps, like.layout)
