"""Pose metrics in the definitions in use: pure functions of padded pairs of clips.

`pairs.score_pairs` compiles all of them together. Values are in shoulder widths unless stated
otherwise, one per pair. A value is NaN exactly where the metric has no meaning for a pair: a clip
is empty, the reference shows none of the joints concerned, or (velocity, acceleration) it has too
few frames. `pairs.summarize` counts these and leaves them out of the means.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from signllm_jax.core.typing import Array
from signllm_jax.metrics.dtw import dtw_along, dtw_cost, frame_costs
from signllm_jax.metrics.masks import Pairs, differences, masked_mean, seen_joints, stretch


def progressive_dtw(pairs: Pairs) -> Float[Array, " N"]:
    """The DTW score of Progressive Transformers: accumulated cost by the reference's length.

    The cost of two frames is the sum of the absolute differences of all their coordinates (their
    code calls it the Euclidean norm), here of the observed joints. Source: Saunders, Camgoz and
    Bowden, Progressive Transformers for End-to-End Sign Language Production, ECCV 2020, and
    `calculate_dtw` of its code, which also leaves out the last frame of both clips; we keep it.
    Their unit is a third of a shoulder width: divide ours by three to compare.
    """
    seen = seen_joints(pairs.observed, pairs.n)
    weight = seen.astype(jnp.float32)
    (cost,) = frame_costs(pairs.reference, weight, pairs.produced, ("city_block",))
    return jnp.where(seen.any((1, 2)), dtw_cost(cost, pairs.n, pairs.m) / pairs.n, jnp.nan)


def dtw_mje(pairs: Pairs) -> tuple[Float[Array, " N"], Float[Array, " N"]]:
    """DTW-MJE as in the SLRTP 2025 challenge, and the number of frame pairs that it averages.

    Frames are aligned by the Euclidean distance of the whole pose; the error is the mean Euclidean
    distance of a joint over all frame pairs of the path. The challenge pools the frame pairs of all
    clips: weight each clip's value by its number of pairs. Source: Walsh et al., SLRTP2025 Sign
    Language Production Challenge, CVPR workshops 2025, `pose_dtw_mje` of its code, which finds its
    paths by the approximate FastDTW and works at 12 frames per second; ours are the best paths, at
    the clips' own rate, over observed joints (a frame without one is left out).
    """
    weight = seen_joints(pairs.observed, pairs.n).astype(jnp.float32)
    terms = ("squared", "euclidean")
    squared, distance = frame_costs(pairs.reference, weight, pairs.produced, terms)
    joints = weight.sum(-1)
    error = distance / jnp.maximum(joints, 1)[..., None]
    counted = jnp.broadcast_to((joints > 0)[..., None], error.shape).astype(jnp.float32)
    _, total, count = dtw_along(jnp.sqrt(squared), pairs.n, pairs.m, error, counted)
    return total / count, count


def ndtw_mje(pairs: Pairs) -> Float[Array, " N"]:
    """nDTW-MJE of Ham2Pose: every joint's track is warped by itself, missing joints included.

    The cost of two points is 0 where the reference lacks the joint, half the reference point's
    distance from the origin where only the production lacks it, else their Euclidean distance. The
    accumulated costs (not divided by a length) are averaged over all J joints. Source: Shalev-
    Arkushin, Moryossef and Fried, Ham2Pose, CVPR 2023, section 4.2 and `compare_poses` of its code
    with FastDTW and 2D points; ours are best paths in 3D. Normalized means: in shoulder widths.
    """

    def tracks(values):  # [N, T, J, ...] -> [N, J, T, ...]
        return jnp.moveaxis(values, 2, 1)

    def pair(arrays):
        a, a_seen, b, b_seen, n, m = arrays
        distance = jnp.sqrt(((a[:, :, None] - b[:, None]) ** 2).sum(-1))
        lacking = jnp.linalg.norm(a, axis=-1)[:, :, None] / 2
        cost = jnp.where(b_seen[:, None], distance, lacking) * a_seen[:, :, None]
        lengths = jnp.ones(cost.shape[0], jnp.int32)
        return dtw_cost(cost, n * lengths, m * lengths).mean()

    seen = seen_joints(pairs.observed, pairs.n)
    arrays = (pairs.reference, seen, pairs.produced, pairs.produced_observed)
    errors = jax.lax.map(pair, (*map(tracks, arrays), pairs.n, pairs.m))
    return jnp.where(seen.any((1, 2)), errors, jnp.nan)


def derivative_error(pairs: Pairs, order: int) -> Float[Array, " N"]:
    """Errors of positions (order 0, MPJPE), velocities (1) or accelerations (2), frame by frame.

    The mean Euclidean distance between the finite differences of a joint's track, over joints that
    are observed in all frames of the difference; in shoulder widths per frame to the power of the
    order. The production is first resampled to the reference's length, so its tempo does not count
    but its rhythm does. Sources: Ionescu et al., Human3.6M, TPAMI 2014, section 3.1 (MPJPE); MPJVE
    of Pavllo et al., VideoPose3D, CVPR 2019; the acceleration error of Kanazawa et al., Learning 3D
    Human Dynamics from Video, CVPR 2019.
    """
    produced = stretch(pairs.produced, pairs.n, pairs.m, pairs.reference.shape[1])
    seen = seen_joints(pairs.observed, pairs.n)
    error = masked_mean(*differences(pairs.reference - produced, seen, order))
    return jnp.where(pairs.m > 0, error, jnp.nan)


def pa_mpjpe(
    pairs: Pairs, parts: tuple[tuple[tuple[int, ...], ...], ...]
) -> Float[Array, "parts N"]:
    """PA-MPJPE: the mean joint error after the best similarity transform of each frame's group.

    Each group (joint indices: the body, or each hand) is moved, rotated and scaled onto the
    reference's by itself, without reflection; frames in which fewer than three of its joints are
    observed are left out. Frames correspond as in `derivative_error`. Sources: Gower 1975; protocol
    2 of Martinez et al. 2017; for hands Zimmermann et al., FreiHAND, ICCV 2019.

    Args:
        pairs: N pairs of clips.
        parts: Tuples of groups; each mean is over the joints of all groups of a part.
    """
    produced = stretch(pairs.produced, pairs.n, pairs.m, pairs.reference.shape[1])
    seen = seen_joints(pairs.observed, pairs.n)
    groups = [jnp.array(group) for part in parts for group in part]
    masks = [seen[..., group] for group in groups]
    masks = [mask & (mask.sum(-1) >= 3)[..., None] for mask in masks]
    true = [pairs.reference[..., group, :] for group in groups]
    moved = _similarities(true, masks, [produced[..., group, :] for group in groups])
    scored = ((jnp.linalg.norm(a - b, axis=-1), mask) for a, b, mask in zip(true, moved, masks))
    means = []
    for part in parts:
        error, mask = zip(*(next(scored) for _ in part))
        means.append(masked_mean(jnp.concatenate(error, -1), jnp.concatenate(mask, -1)))
    return jnp.where(pairs.m > 0, jnp.stack(means), jnp.nan)


def _similarities(
    references: list[Float[Array, "N T _ 3"]],
    masks: list[Bool[Array, "N T _"]],
    produced: list[Float[Array, "N T _ 3"]],
) -> list[Float[Array, "N T _ 3"]]:
    """The produced poses of each group of joints, moved onto the references by the best similarity.

    One decomposition serves all groups: two in a program may run at once on a CPU, each on a thread
    of XLA's pool where it waits for other threads, and with two cores neither may ever finish.

    Args:
        references: Poses of the joints of each group.
        masks: Joints that count.
        produced: Poses of the same joints.
    """
    centered, products = [], []
    for reference, mask, pose in zip(references, masks, produced):
        weight = mask[..., None].astype(jnp.float32)
        total = jnp.maximum(weight.sum(-2, keepdims=True), 1)
        center = (weight * reference).sum(-2, keepdims=True) / total
        x = (reference - center) * weight
        y = (pose - (weight * pose).sum(-2, keepdims=True) / total) * weight
        centered.append((y, center))
        products.append(jnp.einsum("...ka,...kb->...ab", y, x))
    u, s, vt = jnp.linalg.svd(jnp.stack(products))
    turn = jnp.sign(jnp.linalg.det(u) * jnp.linalg.det(vt))  # -1: the best one is a reflection
    sign = jnp.stack([jnp.ones_like(turn), jnp.ones_like(turn), turn], -1)
    rotations = jnp.einsum("...ab,...b,...bc->...ac", u, sign, vt)
    moved = []
    for (y, center), rotation, stretched in zip(centered, rotations, (s * sign).sum(-1)):
        scale = stretched / jnp.maximum((y * y).sum((-2, -1)), 1e-12)
        moved.append(scale[..., None, None] * (y @ rotation) + center)
    return moved
