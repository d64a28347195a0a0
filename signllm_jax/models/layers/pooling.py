"""Which clip of a packed row a place belongs to, and means over the places of each clip."""

import jax.numpy as jnp
from jaxtyping import Float, Int, Shaped

from signllm_jax.core.typing import Array


def members(segment: Int[Array, "B N"], clips: int) -> Float[Array, "B N clips"]:
    """float32 [B, N, K]: 1 where a place of segment int32 [B, N] belongs to clip k + 1."""
    return (segment[..., None] == jnp.arange(1, clips + 1)).astype(jnp.float32)


def clip_means(
    values: Shaped[Array, "B N M"], segment: Int[Array, "B N"], clips: int
) -> Float[Array, "B clips M"]:
    """The mean of values [B, N, M] over each of K clips, float32 [B, K, M]; 0 where none is."""
    inside = members(segment, clips)
    total = jnp.einsum("bnk,bnm->bkm", inside, values.astype(jnp.float32))
    return total / jnp.maximum(inside.sum(1), 1)[..., None]


def clip_moments(
    values: Float[Array, "B N M"], segment: Int[Array, "B N"], clips: int, count: int
) -> Float[Array, "B clips moments"]:
    """The means of values [B, N, M] over each of K clips, multiplied by cosines of the clip's time.

    Moment m of 1 to C is the mean of values cos(pi m t), t from 0 to 1 over a clip: the clip's
    discrete cosine transform but for its first number, which is the mean (`clip_means`).

    Args:
        values: [B, N, M].
        segment: int32 [B, N], 0 = padding.
        clips: K.
        count: C.

    Returns:
        float32 [B, K, C M], the moments one after the other; 0 where no clip is.
    """
    inside = members(segment, clips)
    time = (
        (jnp.cumsum(inside, 1) - 0.5) / jnp.maximum(inside.sum(1, keepdims=True), 1) * inside
    ).sum(-1)
    waves = jnp.cos(jnp.pi * jnp.arange(1, count + 1) * time[..., None])
    moved = waves[..., None] * values[:, :, None].astype(jnp.float32)
    return clip_means(moved.reshape(*moved.shape[:2], -1), segment, clips)
