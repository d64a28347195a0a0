"""Dynamic time warping, jitted and batched over padded clips.

Every function takes N pairs padded to one shape and their true lengths, so there is one compilation
a padded shape. The accumulated costs are swept by anti-diagonals: all cells of one anti-diagonal of
all N pairs are independent, so a sweep has T1 + T2 - 1 vector steps and no Python loop. Cells
beyond a pair's lengths never reach the cell (n, m), so padding needs no mask.
"""

from functools import partial

import jax
import jax.numpy as jnp

from signllm_jax.core.typing import Array
from signllm_jax.metrics.masks import seen_joints

CONSTANT = 1e-5  # shoulder widths: a joint that moves no further than this is constant
_JOINTS_A_STEP = (
    10  # XLA's CPU backend vectorises ten joints at a time, and not five: 4 times faster
)


def _sweep(cost: Array, n: Array, m: Array, payload: tuple[Array, ...]) -> tuple[Array, ...]:
    """Accumulates `cost` along the best path and each of `payload` along that same path."""
    batch, rows, columns = cost.shape
    width = rows + columns

    def skew(values, fill):  # [N, T1, T2] -> [N, T1 + T2 - 1, T1], one anti-diagonal a row
        flat = jnp.pad(values, ((0, 0), (0, 0), (0, rows)), constant_values=fill)
        flat = flat.reshape(batch, rows * width)[:, : rows * (width - 1)]
        return flat.reshape(batch, rows, width - 1).swapaxes(1, 2)

    def down(values, fill):  # row i takes the value of row i - 1
        return jnp.pad(values[:, :-1], ((0, 0), (1, 0)), constant_values=fill)

    diagonals = (skew(cost, jnp.inf), *(skew(values, 0.0) for values in payload))
    infinite = jnp.full((batch, rows), jnp.inf, cost.dtype)
    zeros = tuple(jnp.zeros((batch, rows), cost.dtype) for _ in payload)
    start = infinite.at[:, 0].set(0.0)  # what cell (1, 1) finds on its diagonal
    row = jnp.clip(n - 1, 0, rows - 1)[:, None]
    last = n + m - 2

    def step(carry, index):
        before, crossed, found = carry  # `crossed`: two anti-diagonals ago, moved down
        # To lead with the anti-diagonals, as a scan wants it, would cost a slower transposition.
        diagonal = [jax.lax.dynamic_index_in_dim(d, index, 1, keepdims=False) for d in diagonals]
        above = (down(before[0], jnp.inf), *(down(values, 0.0) for values in before[1:]))
        best = jnp.minimum(jnp.minimum(crossed[0], above[0]), before[0])
        by_diagonal, by_above = crossed[0] <= best, above[0] <= best
        now = (
            diagonal[0] + best,
            *(
                values + jnp.where(by_diagonal, c, jnp.where(by_above, a, b))
                for values, c, a, b in zip(diagonal[1:], crossed[1:], above[1:], before[1:])
            ),
        )
        found = tuple(
            jnp.where(index == last, jnp.take_along_axis(values, row, axis=1)[:, 0], kept)
            for values, kept in zip(now, found)
        )
        return (now, above, found), None

    nothing = tuple(jnp.full((batch,), jnp.nan, cost.dtype) for _ in diagonals)
    carry = ((infinite, *zeros), (start, *zeros), nothing)
    found = jax.lax.scan(step, carry, jnp.arange(width - 1))[0][2]
    return tuple(jnp.where((n > 0) & (m > 0), values, jnp.nan) for values in found)


@jax.jit
def dtw_cost(cost: Array, n: Array, m: Array) -> Array:
    """The accumulated cost [N] alone of `dtw`, in about half of its time."""
    return _sweep(cost, n, m, ())[0]


@jax.jit
def dtw_along(cost: Array, n: Array, m: Array, *others: Array) -> tuple[Array, ...]:
    """As `dtw`, with other costs [N, T1, T2] summed along the path that is best by `cost`.

    Returns:
        The accumulated cost [N], and the sum [N] of each of `others` over the cells of its path.
    """
    return _sweep(cost, n, m, others)


def dtw(cost: Array, n: Array, m: Array) -> tuple[Array, Array]:
    """Dynamic time warping with steps (1, 1), (1, 0) and (0, 1), all of weight 1.

    Source: Sakoe and Chiba 1978, Dynamic programming algorithm optimization for spoken word
    recognition, without slope weights or a window. Between equal costs the diagonal step wins, then
    (1, 0), as in the code of Progressive Transformers.

    Args:
        cost: float32 [N, T1, T2], the cost of pairing frame i of one clip with frame j of another.
        n: int32 [N], how many of the T1 frames are real.
        m: int32 [N], how many of the T2 frames are real.

    Returns:
        The accumulated cost [N] of the best path and the number of its cells [N]; both are NaN for
        a pair of which one clip is empty.
    """
    return dtw_along(cost, n, m, jnp.ones_like(cost))


def scored_joints(reference: Array, observed: Array, n: Array) -> Array:
    """The joints that distances are taken over: the reference's observed, non-constant ones.

    A joint is constant when none of its coordinates spans more than `CONSTANT` over the frames in
    which it was observed, such as the neck of a corpus that keeps it at the origin. In a clip of
    one frame nothing can move, so there every observed joint counts.

    Args:
        reference: float32 [N, T1, J, 3], shoulder widths.
        observed: bool [N, T1, J].
        n: int32 [N], lengths.

    Returns:
        bool [N, T1, J], False in the padding.
    """
    real = jnp.arange(reference.shape[1]) < n[:, None]
    observed = observed & real[..., None]
    seen = observed[..., None]
    highest = jnp.max(jnp.where(seen, reference, -jnp.inf), axis=1)
    lowest = jnp.min(jnp.where(seen, reference, jnp.inf), axis=1)
    moves = jnp.any(highest - lowest > CONSTANT, axis=-1) | (n == 1)[:, None]
    return observed & moves[:, None]


def _joint_distance(difference: list[Array]) -> Array:
    return jnp.sqrt(sum(d * d for d in difference))


def _city_block(difference: list[Array]) -> Array:
    return sum(jnp.abs(d) for d in difference)


def _squared(difference: list[Array]) -> Array:
    return sum(d * d for d in difference)


TERMS = {"euclidean": _joint_distance, "city_block": _city_block, "squared": _squared}


@partial(jax.jit, static_argnames="terms")
def frame_costs(
    reference: Array,
    weight: Array,
    produced: Array,
    terms: tuple[str, ...],
    produced_weight: Array | None = None,
) -> tuple[Array, ...]:
    """Cost matrices between all frames of a reference and all frames of a production.

    Differences are taken directly: the expansion |a|^2 + |b|^2 - 2ab as a matrix product loses up
    to 5e-4 shoulder widths in float32 where two poses are alike, which is where it matters.

    Args:
        reference: float32 [N, T1, J, 3].
        weight: float32 [N, T1, J], what each joint of a reference frame counts.
        produced: float32 [N, T2, J, 3].
        terms: any of `euclidean`, `city_block`, `squared`: what is summed over the joints.
        produced_weight: float32 [N, T2, J], what each joint of a produced frame counts, by which
            the other weight is multiplied; None = 1.

    Returns:
        float32 [N, T1, T2] for each of `terms`.
    """
    extra = -reference.shape[2] % _JOINTS_A_STEP

    def planes(values):  # [N, T, J, ...] -> [N, steps, joints a step, ..., T]
        values = jnp.pad(values, ((0, 0), (0, 0), (0, extra)) + ((0, 0),) * (values.ndim - 3))
        values = jnp.moveaxis(values, 1, -1)
        return values.reshape(values.shape[0], -1, _JOINTS_A_STEP, *values.shape[2:])

    def add_joints(sums, step):
        # Without the barrier the slices are fused into the loop, which then is not vectorised.
        a, w, b, *v = jax.lax.optimization_barrier(step)
        for joint in range(_JOINTS_A_STEP):
            difference = [a[joint, axis][:, None] - b[joint, axis] for axis in range(3)]
            counted = w[joint][:, None] * v[0][joint] if v else w[joint][:, None]
            sums = tuple(
                total + counted * TERMS[term](difference) for total, term in zip(sums, terms)
            )
        return sums, None

    def pair(planes_of_pair):
        shape = (reference.shape[1], produced.shape[1])
        sums = tuple(jnp.zeros(shape, jnp.float32) for _ in terms)
        return jax.lax.scan(add_joints, sums, planes_of_pair)[0]

    arrays = [reference, weight, produced]
    if produced_weight is not None:
        arrays.append(produced_weight)
    return jax.lax.map(pair, tuple(planes(array) for array in arrays))


def joint_mean(scored: Array) -> Array:
    """Weights [N, T1, J] that make a sum over joints the mean over a frame's scored ones."""
    return scored / jnp.maximum(scored.sum(axis=-1, keepdims=True), 1)


@partial(jax.jit, static_argnames="moving")
def dtw_distance(
    reference: Array,
    observed: Array,
    produced: Array,
    n: Array,
    m: Array,
    produced_observed: Array | None = None,
    moving: bool = True,
) -> Array:
    """The project's DTW distance, the numerator of the DTW ratios, in shoulder widths.

    The mean Euclidean distance over the reference's observed, non-constant joints that the
    production shows too, summed along the best path and divided by max(n, m). A joint that only
    one of both has is no distance: `motion.missing_joints` counts it. A reference frame
    without a joint to score costs nothing. Two frames that have such joints and none in common are
    compared as if the production's stood at the origin, so that nothing is won by showing nothing.

    Args:
        reference: float32 [N, T1, J, 3], shoulder widths.
        observed: bool [N, T1, J].
        produced: float32 [N, T2, J, 3], 0 where a joint is not shown.
        n: int32 [N], lengths of the references in frames.
        m: int32 [N], lengths of the productions in frames.
        produced_observed: bool [N, T2, J], the joints that the production shows; None = all.
        moving: whether joints that never move in the reference are left out; where neither clip
            is the real one, they are not.

    Returns:
        float32 [N]; NaN where a clip is empty or the reference has no joint to score.
    """
    scored = scored_joints(reference, observed, n) if moving else seen_joints(observed, n)
    if produced_observed is None:
        (cost,) = frame_costs(reference, joint_mean(scored), produced, ("euclidean",))
    else:
        cost = _common_costs(reference, scored, produced, produced_observed)
    distance = dtw_cost(cost, n, m) / jnp.maximum(jnp.maximum(n, m), 1)
    return jnp.where(scored.any(axis=(1, 2)), distance, jnp.nan)


def _common_costs(reference, scored, produced, shown) -> Array:
    """Mean distances [N, T1, T2] over the scored joints that both frames have."""
    weight, other = scored.astype(jnp.float32), shown.astype(jnp.float32)
    (total,) = frame_costs(reference, weight, produced, ("euclidean",), other)
    count = jnp.einsum("nij,nkj->nik", weight, other)
    origin = (joint_mean(scored) * jnp.linalg.norm(reference, axis=-1)).sum(-1)
    return jnp.where(count > 0, total / jnp.maximum(count, 1), origin[..., None])
