"""Which frames and joints of a batch count, and how a production is laid along its reference."""

import jax.numpy as jnp

from signllm_jax.core.typing import Array


def real_frames(frames: int, lengths: Array) -> Array:
    """bool [N, frames]: the frames within clips of these lengths."""
    return jnp.arange(frames) < lengths[:, None]


def seen_joints(observed: Array, n: Array) -> Array:
    """The mask [N, T, J] without what lies beyond the lengths n of the clips."""
    return observed & real_frames(observed.shape[1], n)[..., None]


def masked_mean(values: Array, mask: Array) -> Array:
    """The mean [N] over all but the first axis of the entries that `mask` keeps, NaN for none."""
    axes = tuple(range(1, mask.ndim))
    return jnp.where(mask, values, 0).sum(axes) / mask.sum(axes)


def stretch(values: Array, n: Array, m: Array, frames: int) -> Array:
    """Resamples clips [N, T2, J, C] of lengths m to lengths n in time by linear interpolation.

    First frame falls on first frame and last on last; where n equals m nothing changes. Returns
    [N, frames, J, C]; what is beyond n means nothing.
    """
    time = jnp.arange(frames) * ((m - 1) / jnp.maximum(n - 1, 1))[:, None]
    time = jnp.clip(time, 0, jnp.maximum(m - 1, 0)[:, None])
    low = jnp.floor(time).astype(jnp.int32)
    part = (time - low)[..., None, None]
    high = jnp.minimum(low + 1, jnp.maximum(m - 1, 0)[:, None])
    rows = jnp.arange(values.shape[0])[:, None]
    return values[rows, low] * (1 - part) + values[rows, high] * part


def stretch_mask(observed: Array, n: Array, m: Array, frames: int) -> Array:
    """The reference's mask [N, T1, J] at the same share of the time in clips of m frames.

    Returns bool [N, frames, J], False beyond m: where a production is to be counted so that both
    clips are counted for the same joints at the same share of the time.
    """
    time = jnp.arange(frames) * ((n - 1) / jnp.maximum(m - 1, 1))[:, None]
    index = jnp.clip(jnp.round(time).astype(jnp.int32), 0, jnp.maximum(n - 1, 0)[:, None])
    mask = observed[jnp.arange(observed.shape[0])[:, None], index]
    return mask & (real_frames(frames, m) & (n > 0)[:, None])[..., None]
