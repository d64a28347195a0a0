"""Pose metrics in the definitions in use: pure, jitted functions of padded batches of clips.

All take `reference [N, T1, J, 3]`, `observed [N, T1, J]` (the joints seen in the reference),
`produced [N, T2, J, 3]` and the true lengths `n`, `m` [N], in shoulder widths unless said
otherwise, and return float32 [N]. A value is NaN exactly where the metric has no meaning for a
pair: a clip is empty, the reference shows none of the joints concerned, or (velocity, acceleration)
it has too few frames. `pairs.py` counts these and leaves them out of the means.
"""

from functools import partial

import jax
import jax.numpy as jnp

from signllm_jax.core.typing import Array
from signllm_jax.metrics.dtw import dtw_along, dtw_cost, frame_costs
from signllm_jax.metrics.masks import masked_mean, seen_joints, stretch


@jax.jit
def progressive_dtw(
    reference: Array, observed: Array, produced: Array, n: Array, m: Array
) -> Array:
    """The DTW score of Progressive Transformers: accumulated cost by the reference's length.

    The cost of two frames is the sum of the absolute differences of all their coordinates (their
    code calls it the Euclidean norm), here of the observed joints. Source: Saunders, Camgoz and
    Bowden, Progressive Transformers for End-to-End Sign Language Production, ECCV 2020, and
    `calculate_dtw` of its code, which besides leaves out the last frame of both clips; we keep it.
    Their unit is a third of a shoulder width: divide ours by three to compare.
    """
    seen = seen_joints(observed, n)
    (cost,) = frame_costs(reference, seen.astype(jnp.float32), produced, ("city_block",))
    return jnp.where(seen.any((1, 2)), dtw_cost(cost, n, m) / n, jnp.nan)


@jax.jit
def dtw_mje(
    reference: Array, observed: Array, produced: Array, n: Array, m: Array
) -> tuple[Array, Array]:
    """DTW-MJE as in the SLRTP 2025 challenge, and the number of frame pairs it is a mean over.

    Frames are aligned by the Euclidean distance of the whole pose; the error is the mean Euclidean
    distance of a joint over all frame pairs of the path. The challenge pools the frame pairs of all
    clips: weight each clip's value by its number of pairs. Source: Walsh et al., SLRTP2025 Sign
    Language Production Challenge, CVPR workshops 2025, `pose_dtw_mje` of its code, which finds its
    paths by the approximate FastDTW and works at 12 frames a second; ours are the best paths, at
    the clips' own rate, over observed joints (a frame without one is left out).
    """
    seen = seen_joints(observed, n).astype(jnp.float32)
    squared, distance = frame_costs(reference, seen, produced, ("squared", "euclidean"))
    joints = seen.sum(-1)
    error = distance / jnp.maximum(joints, 1)[..., None]
    counted = jnp.broadcast_to((joints > 0)[..., None], error.shape).astype(jnp.float32)
    _, total, pairs = dtw_along(jnp.sqrt(squared), n, m, error, counted)
    return total / pairs, pairs


@jax.jit
def ndtw_mje(
    reference: Array,
    observed: Array,
    produced: Array,
    produced_observed: Array,
    n: Array,
    m: Array,
) -> Array:
    """nDTW-MJE of Ham2Pose: every joint's track is warped by itself, missing joints included.

    The cost of two points is 0 where the reference lacks the joint, half the reference point's
    distance from the origin where only the production lacks it, else their Euclidean distance. The
    accumulated costs (not divided by a length) are averaged over all J joints. Source: Shalev-
    Arkushin, Moryossef and Fried, Ham2Pose, CVPR 2023, section 4.2 and `compare_poses` of its code
    with FastDTW and 2D points; ours are best paths in 3D. Normalized means: in shoulder widths.

    Args:
        produced_observed: bool [N, T2, J], the joints that the production has.
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

    seen = seen_joints(observed, n)
    arrays = (tracks(reference), tracks(seen), tracks(produced), tracks(produced_observed), n, m)
    return jnp.where(seen.any((1, 2)), jax.lax.map(pair, arrays), jnp.nan)


@jax.jit
def mean_joint_error(
    reference: Array, observed: Array, produced: Array, n: Array, m: Array
) -> Array:
    """MPJPE: the mean Euclidean distance of an observed joint, frame by frame.

    The production is first resampled to the reference's length, so its tempo does not count here
    but its rhythm does. Source: Ionescu et al., Human3.6M, TPAMI 2014, section 3.1.
    """
    error = jnp.linalg.norm(reference - stretch(produced, n, m, reference.shape[1]), axis=-1)
    return jnp.where(m > 0, masked_mean(error, seen_joints(observed, n)), jnp.nan)


def _similarities(references, weights, produced) -> list[Array]:
    """Lists of poses [..., K, 3]: those produced, moved onto the references by the best similarity.

    K may differ within a list; weights [..., K] are 0 or 1, the joints that count.
    One decomposition serves all of the list: two in a program may run at once on a CPU, each on a
    thread of XLA's pool where it waits for others of them, and with two cores never go on.
    """
    pairs, products = [], []
    for reference, weight, pose in zip(references, weights, produced):
        weight = weight[..., None].astype(jnp.float32)
        total = jnp.maximum(weight.sum(-2, keepdims=True), 1)
        centre = (weight * reference).sum(-2, keepdims=True) / total
        x = (reference - centre) * weight
        y = (pose - (weight * pose).sum(-2, keepdims=True) / total) * weight
        pairs.append((y, centre))
        products.append(jnp.einsum("...ka,...kb->...ab", y, x))
    u, s, vt = jnp.linalg.svd(jnp.stack(products))
    turn = jnp.sign(jnp.linalg.det(u) * jnp.linalg.det(vt))  # -1: the best one is a reflection
    sign = jnp.stack([jnp.ones_like(turn), jnp.ones_like(turn), turn], -1)
    rotations = jnp.einsum("...ab,...b,...bc->...ac", u, sign, vt)
    moved = []
    for (y, centre), rotation, stretched in zip(pairs, rotations, (s * sign).sum(-1)):
        scale = stretched / jnp.maximum((y * y).sum((-2, -1)), 1e-12)
        moved.append(scale[..., None, None] * (y @ rotation) + centre)
    return moved


@partial(jax.jit, static_argnames="parts")
def pa_mpjpe(
    reference: Array,
    observed: Array,
    produced: Array,
    n: Array,
    m: Array,
    parts: tuple[tuple[tuple[int, ...], ...], ...],
) -> Array:
    """PA-MPJPE: the mean joint error after the best similarity transform of each frame's group.

    Each group (joint indices: the body, or each hand) is moved, turned and scaled onto the
    reference's by itself, without reflection; frames in which fewer than three of its joints are
    observed are left out. Frames correspond as in `mean_joint_error`. Sources: Gower 1975; protocol
    2 of Martinez et al. 2017; for hands Zimmermann et al., FreiHAND, ICCV 2019.

    Args:
        parts: each is some groups, over whose joints together the mean is taken.

    Returns:
        [parts, N].
    """
    produced = stretch(produced, n, m, reference.shape[1])
    seen = seen_joints(observed, n)
    joints = [jnp.array(group) for part in parts for group in part]
    masks = [seen[..., own] for own in joints]
    masks = [mask & (mask.sum(-1) >= 3)[..., None] for mask in masks]
    true = [reference[..., own, :] for own in joints]
    moved = _similarities(true, masks, [produced[..., own, :] for own in joints])
    errors = [jnp.linalg.norm(a - b, axis=-1) for a, b in zip(true, moved)]
    groups, means = iter(zip(errors, masks)), []
    for part in parts:
        error, mask = zip(*(next(groups) for _ in part))
        means.append(masked_mean(jnp.concatenate(error, -1), jnp.concatenate(mask, -1)))
    return jnp.where(m > 0, jnp.stack(means), jnp.nan)


@partial(jax.jit, static_argnames="order")
def derivative_error(
    reference: Array, observed: Array, produced: Array, n: Array, m: Array, order: int
) -> Array:
    """Velocity (order 1) or acceleration (order 2) error, in shoulder widths a frame (squared).

    The mean Euclidean distance between the finite differences of a joint's track, over joints that
    are observed in all frames of the difference. Frames correspond as in `mean_joint_error`.
    Sources: MPJVE of Pavllo et al., VideoPose3D, CVPR 2019; the acceleration error of Kanazawa et
    al., Learning 3D Human Dynamics from Video, CVPR 2019.
    """
    difference = reference - stretch(produced, n, m, reference.shape[1])
    mask = seen_joints(observed, n)
    for _ in range(order):
        difference, mask = jnp.diff(difference, axis=1), mask[:, 1:] & mask[:, :-1]
    return jnp.where(m > 0, masked_mean(jnp.linalg.norm(difference, axis=-1), mask), jnp.nan)
