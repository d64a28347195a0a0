"""Dynamic time warping, jitted and batched over padded clips.

Every function takes N pairs padded to one shape and their true lengths, so there is one compilation
per padded shape. The accumulated costs are swept by anti-diagonals: all cells of one anti-diagonal
of all N pairs are independent, so a sweep has T1 + T2 - 1 vector steps and no Python loop. Cells
beyond a pair's lengths never reach the cell (n, m), so padding needs no mask.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Int

from signllm_jax.core.typing import Array
from signllm_jax.metrics.masks import seen_joints

CONSTANT = 1e-5  # shoulder widths: a joint that moves no further than this is constant
_JOINTS_PER_STEP = 10  # XLA's CPU backend vectorizes ten joints, and not five: 4 times faster


@jax.jit
def dtw_along(
    cost: Float[Array, "N T1 T2"],
    n: Int[Array, " N"],
    m: Int[Array, " N"],
    *extra_costs: Float[Array, "N T1 T2"],
) -> tuple[Float[Array, " N"], ...]:
    """As `dtw`, with further costs summed along the path that is best by `cost`.

    Returns:
        The accumulated cost, and the sum of each of `extra_costs` over the cells of its path.
    """
    batch, rows, columns = cost.shape
    width = rows + columns

    def skew(values, fill):  # [N, T1, T2] -> [N, T1 + T2 - 1, T1], one anti-diagonal per row
        flat = jnp.pad(values, ((0, 0), (0, 0), (0, rows)), constant_values=fill)
        flat = flat.reshape(batch, rows * width)[:, : rows * (width - 1)]
        return flat.reshape(batch, rows, width - 1).swapaxes(1, 2)

    def down(values, fill):  # row i takes the value of row i - 1
        return jnp.pad(values[:, :-1], ((0, 0), (1, 0)), constant_values=fill)

    fills = (jnp.inf, *(0.0 for _ in extra_costs))
    diagonals = tuple(map(skew, (cost, *extra_costs), fills))
    outside = tuple(jnp.full((batch, rows), fill, cost.dtype) for fill in fills)
    start = outside[0].at[:, 0].set(0.0)  # what cell (1, 1) has before it on its diagonal
    row = jnp.clip(n - 1, 0, rows - 1)[:, None]
    last = n + m - 2

    def step(carry, index):
        before, crossed, totals = carry  # `crossed`: two anti-diagonals ago, moved down
        # A scan over leading anti-diagonals would need a transposition, which is slower.
        diagonal = [jax.lax.dynamic_index_in_dim(d, index, 1, keepdims=False) for d in diagonals]
        above = tuple(map(down, before, fills))
        best = jnp.minimum(jnp.minimum(crossed[0], above[0]), before[0])
        by_diagonal, by_above = crossed[0] <= best, above[0] <= best
        along = (
            jnp.where(by_diagonal, c, jnp.where(by_above, a, b))
            for c, a, b in zip(crossed[1:], above[1:], before[1:])
        )
        now = tuple(map(jnp.add, diagonal, (best, *along)))
        totals = tuple(
            jnp.where(index == last, jnp.take_along_axis(values, row, axis=1)[:, 0], kept)
            for values, kept in zip(now, totals)
        )
        return (now, above, totals), None

    nothing = tuple(jnp.full((batch,), jnp.nan, cost.dtype) for _ in diagonals)
    carry = (outside, (start, *outside[1:]), nothing)
    totals = jax.lax.scan(step, carry, jnp.arange(width - 1))[0][2]
    return tuple(jnp.where((n > 0) & (m > 0), values, jnp.nan) for values in totals)


def dtw_cost(
    cost: Float[Array, "N T1 T2"], n: Int[Array, " N"], m: Int[Array, " N"]
) -> Float[Array, " N"]:
    """The accumulated cost of `dtw` alone, in about half of its time."""
    return dtw_along(cost, n, m)[0]


def dtw(
    cost: Float[Array, "N T1 T2"], n: Int[Array, " N"], m: Int[Array, " N"]
) -> tuple[Float[Array, " N"], Float[Array, " N"]]:
    """Dynamic time warping with steps (1, 1), (1, 0) and (0, 1), all of weight 1.

    Source: Sakoe and Chiba 1978, Dynamic programming algorithm optimization for spoken word
    recognition, without slope weights or a window. Between equal costs the diagonal step wins, then
    (1, 0), as in the code of Progressive Transformers.

    Args:
        cost: Cost of pairing frame i of one clip with frame j of another.
        n: Number of the T1 frames that are real.
        m: Number of the T2 frames that are real.

    Returns:
        The accumulated cost of the best path and the number of its cells; both are NaN for a pair
        of which one clip is empty.
    """
    return dtw_along(cost, n, m, jnp.ones_like(cost))


def scored_joints(
    reference: Float[Array, "N T1 J 3"], observed: Bool[Array, "N T1 J"], n: Int[Array, " N"]
) -> Bool[Array, "N T1 J"]:
    """The joints that distances are taken over: the reference's observed, non-constant ones.

    A joint is constant when none of its coordinates spans more than `CONSTANT` over the frames in
    which it is observed, such as the neck of a corpus that keeps it at the origin. In a clip of
    one frame nothing can move, so there every observed joint counts.

    Args:
        reference: Positions in shoulder widths.
        observed: Joints that the reference shows.
        n: Lengths in frames.

    Returns:
        The mask, False in the padding.
    """
    observed = seen_joints(observed, n)
    seen = observed[..., None]
    highest = jnp.max(jnp.where(seen, reference, -jnp.inf), axis=1)
    lowest = jnp.min(jnp.where(seen, reference, jnp.inf), axis=1)
    moves = jnp.any(highest - lowest > CONSTANT, axis=-1) | (n == 1)[:, None]
    return observed & moves[:, None]


TERMS = {
    "euclidean": lambda axes: jnp.sqrt(sum(d * d for d in axes)),
    "city_block": lambda axes: sum(jnp.abs(d) for d in axes),
    "squared": lambda axes: sum(d * d for d in axes),
}
"""Name -> term of a joint, of the differences in x, y and z."""


@partial(jax.jit, static_argnames="terms")
def frame_costs(
    reference: Float[Array, "N T1 J 3"],
    weight: Float[Array, "N T1 J"],
    produced: Float[Array, "N T2 J 3"],
    terms: tuple[str, ...],
    produced_weight: Float[Array, "N T2 J"] | None = None,
) -> tuple[Float[Array, "N T1 T2"], ...]:
    """Cost matrices between all frames of a reference and all frames of a production.

    Differences are taken directly: the expansion |a|^2 + |b|^2 - 2ab as a matrix product loses up
    to 5e-4 shoulder widths in float32 where two poses are alike, which is where it matters.

    Args:
        reference: Positions of the reference.
        weight: Weight of each joint of a reference frame.
        produced: Positions of the production.
        terms: Names in `TERMS`: what is summed over the joints.
        produced_weight: Weight of each joint of a produced frame, by which the other weight is
            multiplied; None = 1.

    Returns:
        A cost matrix for each of `terms`.
    """
    extra = -reference.shape[2] % _JOINTS_PER_STEP

    def planes(values):  # [N, T, J, ...] -> [N, steps, joints of a step, ..., T]
        values = jnp.pad(values, ((0, 0), (0, 0), (0, extra)) + ((0, 0),) * (values.ndim - 3))
        values = jnp.moveaxis(values, 1, -1)
        return values.reshape(values.shape[0], -1, _JOINTS_PER_STEP, *values.shape[2:])

    def add_joints(sums, step):
        # Without the barrier the slices are fused into the loop, which then is not vectorized.
        a, w, b, v = jax.lax.optimization_barrier(step)
        for joint in range(_JOINTS_PER_STEP):
            difference = [a[joint, axis][:, None] - b[joint, axis] for axis in range(3)]
            counted = w[joint][:, None] if v is None else w[joint][:, None] * v[joint]
            sums = tuple(
                total + counted * TERMS[term](difference) for total, term in zip(sums, terms)
            )
        return sums, None

    def pair(planes_of_pair):
        shape = (reference.shape[1], produced.shape[1])
        sums = tuple(jnp.zeros(shape, jnp.float32) for _ in terms)
        return jax.lax.scan(add_joints, sums, planes_of_pair)[0]

    return jax.lax.map(pair, jax.tree.map(planes, (reference, weight, produced, produced_weight)))


def joint_mean(scored: Bool[Array, "*batch J"]) -> Float[Array, "*batch J"]:
    """Weights that make a sum over joints the mean over a frame's scored joints."""
    return scored / jnp.maximum(scored.sum(axis=-1, keepdims=True), 1)


@partial(jax.jit, static_argnames="moving")
def dtw_distance(
    reference: Float[Array, "N T1 J 3"],
    observed: Bool[Array, "N T1 J"],
    produced: Float[Array, "N T2 J 3"],
    n: Int[Array, " N"],
    m: Int[Array, " N"],
    produced_observed: Bool[Array, "N T2 J"] | None = None,
    moving: bool = True,
) -> Float[Array, " N"]:
    """The project's DTW distance, the numerator of the DTW ratios, in shoulder widths.

    The mean Euclidean distance over the reference's observed, non-constant joints that the
    production shows too, summed along the best path and divided by max(n, m). A joint that only
    one of the two clips shows adds no distance: `motion.missing_joints` counts it. A reference
    frame without a joint to score costs nothing. Two frames that have such joints and none in
    common are compared as if the joints of the production were at the origin, so that a production
    does not score better by showing nothing.

    Args:
        reference: Positions in shoulder widths.
        observed: Joints that the reference shows.
        produced: Positions in shoulder widths, 0 where a joint is not shown.
        n: Lengths of the references in frames.
        m: Lengths of the productions in frames.
        produced_observed: Joints that the production shows; None = all.
        moving: Whether joints that never move in the reference are left out; keep them where
            neither clip is a real one.

    Returns:
        The distances; NaN where a clip is empty or the reference has no joint to score.
    """
    scored = scored_joints(reference, observed, n) if moving else seen_joints(observed, n)
    if produced_observed is None:
        (cost,) = frame_costs(reference, joint_mean(scored), produced, ("euclidean",))
    else:
        cost = _common_costs(reference, scored, produced, produced_observed)
    distance = dtw_cost(cost, n, m) / jnp.maximum(jnp.maximum(n, m), 1)
    return jnp.where(scored.any(axis=(1, 2)), distance, jnp.nan)


def _common_costs(
    reference: Float[Array, "N T1 J 3"],
    scored: Bool[Array, "N T1 J"],
    produced: Float[Array, "N T2 J 3"],
    shown: Bool[Array, "N T2 J"],
) -> Float[Array, "N T1 T2"]:
    """Mean distances over the scored joints that both frames have."""
    weights = scored.astype(jnp.float32), shown.astype(jnp.float32)
    (total,) = frame_costs(reference, weights[0], produced, ("euclidean",), weights[1])
    count = jnp.einsum("nij,nkj->nik", *weights)
    origin = (joint_mean(scored) * jnp.linalg.norm(reference, axis=-1)).sum(-1)
    return jnp.where(count > 0, total / jnp.maximum(count, 1), origin[..., None])
