"""Rewards: how well a clip is produced, and its quality relative to the others.

The paper's reward is `r = -(1/N) sum_i (y_i - y^_i)^2`, at most 0, of which no power `r^eta` is
defined. The error -r is therefore mapped to a quality `q = 2^(-error / median error)` in (0, 1]:
1 is perfect, 0.5 the median, so that "less than 50%" means worse than the median.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Int

from signllm_jax.core.typing import Array
from signllm_jax.metrics.dtw import dtw_distance
from signllm_jax.models.losses import frame_error


def clip_errors(
    frames: Float[Array, "B T coords"],
    joint_mask: Bool[Array, "B T J"],
    segment: Int[Array, "B T"],
    predicted: Float[Array, "B T coords"],
    weights: Float[Array, " J"],
    clips: int,
) -> tuple[Float[Array, "B clips"], Float[Array, "B clips"]]:
    """The mean squared error of every clip of packed rows: -r of the paper.

    Args:
        frames: float32 [B, T, D - 1], standardized.
        joint_mask: bool [B, T, J], the observed joints.
        segment: int32 [B, T], 0 = padding.
        predicted: float32 [B, T, D - 1].
        weights: float32 [J] of the joints.
        clips: K.

    Returns:
        The error float32 [B, K], NaN where no joint of a clip is observed, and the weight
        [B, K] that it was averaged over.
    """
    observed = joint_mask * weights
    inside = (segment[..., None] == jnp.arange(1, clips + 1)).astype(jnp.float32)
    total = jnp.einsum("bt,btk->bk", (frame_error(frames, predicted) * observed).sum(-1), inside)
    count = jnp.einsum("bt,btk->bk", observed.sum(-1), inside)
    return jnp.where(count > 0, total / jnp.maximum(count, 1e-6), jnp.nan), count


def reward_loss(
    error: Float[Array, "..."], count: Float[Array, "..."], importance: Float[Array, "..."]
) -> Float[Array, ""]:
    """The paper's RL loss: minus the sum of rewards, over the weight of what was rewarded.

    With an importance of 1 its gradient is that of the masked mean squared error.

    Args:
        error: float32 [B, K]; one that is not finite is left out.
        count: float32 [B, K], the observed weight of every clip.
        importance: float32 [B, K].

    Returns:
        float32 [].
    """
    weight = jnp.where(jnp.isfinite(error), count * importance, 0.0)
    reward = -jnp.where(jnp.isfinite(error), error, 0.0)
    return -(reward * weight).sum() / jnp.maximum(weight.sum(), 1e-6)


def sequence_errors(
    frames: Float[Array, "N F coords"],
    mask: Bool[Array, "N F J"],
    length: Int[Array, " N"],
    produced: Float[Array, "N F coords"],
    made: Int[Array, " N"],
    kind: str,
) -> Float[Array, " N"]:
    """The error of produced clips against the true ones, each free to have its own length.

    Args:
        frames: float32 [N, F, D - 1], standardized, the true clips.
        mask: bool [N, F, J], the observed joints.
        length: int32 [N] of the true clips.
        produced: float32 [N, F, D - 1].
        made: int32 [N], lengths of the produced ones.
        kind: `mse` (frame by frame over the true length; a clip that ended too early holds the
            mean pose) or `dtw` (along the best time warp, in deviations).

    Returns:
        float32 [N], NaN where nothing can be compared.
    """
    time = jnp.arange(frames.shape[1])
    produced = jnp.where((time < made[:, None])[..., None], produced, 0.0)
    if kind == "dtw":
        joints = (*frames.shape[:2], -1, 3)
        return dtw_distance(frames.reshape(joints), mask, produced.reshape(joints), length, made)
    observed = mask & (time < length[:, None])[..., None]
    total = (frame_error(frames, produced) * observed).sum((1, 2))
    count = observed.sum((1, 2))
    return jnp.where(count > 0, total / jnp.maximum(count, 1), jnp.nan)


def median_error(error: Float[Array, " C"]) -> Float[Array, ""]:
    """The median [] of the finite ones of errors [C]; 1 when there is none."""
    finite = jnp.isfinite(error)
    count, rank = finite.sum(), jnp.arange(len(error))
    ordered = jnp.sort(jnp.where(finite, error, jnp.inf), stable=False)
    low, high = (rank == (count - 1) >> 1), (rank == count >> 1)  # the same of an odd count
    middle = 0.5 * (jnp.where(low, ordered, 0.0) + jnp.where(high, ordered, 0.0)).sum()
    return jnp.where(count > 0, middle, 1.0)


def group_medians(error: Float[Array, " C"], group: Int[Array, " C"]) -> Float[Array, " C"]:
    """The median of the finite errors of each clip's group, float32 [C].

    Args:
        error: float32 [C].
        group: int32 [C]. Where none of a group is finite the median of all stands in.
    """
    finite = jnp.isfinite(error)
    # the finite ones of a group lie together, in their order, before its others
    groups, ordered, known = jax.lax.sort(
        (group, jnp.where(finite, error, jnp.inf), finite.astype(jnp.int32)), num_keys=2
    )
    start = jnp.searchsorted(groups, group, side="left")
    end = jnp.searchsorted(groups, group, side="right")
    before = jnp.concatenate([jnp.zeros(1, jnp.int32), jnp.cumsum(known)])
    count = before[end] - before[start]
    low, high = start + (jnp.maximum(count, 1) - 1) // 2, start + count // 2
    median = 0.5 * (ordered[low] + ordered[jnp.minimum(high, len(error) - 1)])
    return jnp.where(count > 0, median, median_error(error))


def log_quality(
    error: Float[Array, " C"], median: Float[Array, "*clips"] | float
) -> Float[Array, " C"]:
    """log2 of the quality: `-error / median`, 0 for a perfect clip, -inf for an infinite error."""
    return -error / jnp.maximum(median, jnp.finfo(jnp.float32).tiny)
