"""The filter of `produce --smooth` on packed rows, as a part of a loss."""

import jax.numpy as jnp
from jaxtyping import Bool, Float, Int

from signllm_jax.core.typing import Array
from signllm_jax.poses.smooth import TAPS


def smoothed_tracks(
    frames: Float[Array, "B T coords"], segment: Int[Array, "B T"], observed: Bool[Array, "B T J"]
) -> Float[Array, "B T J 3"]:
    """Tracks after the filter of `produce --smooth`, within each clip of a packed row.

    Args:
        frames: float32 [B, T, 3J].
        segment: int32 [B, T], 0 = padding.
        observed: bool [B, T, J]; a joint's other frames do not count in its mean.

    Returns:
        float32 [B, T, J, 3].
    """
    tracks = frames.reshape(*observed.shape, 3)
    near_segment, near_observed, near_tracks = map(_neighbors, (segment, observed, tracks))
    total, norm = jnp.zeros_like(tracks), jnp.zeros((*observed.shape, 1), tracks.dtype)
    for tap_index, tap in enumerate(TAPS):
        same = (near_segment(tap_index) == segment) & (segment > 0)
        weight = tap * (near_observed(tap_index) & same[..., None])[..., None]
        total, norm = total + weight * near_tracks(tap_index), norm + weight
    return total / jnp.maximum(norm, 1e-6)


def _neighbors(values: Array):
    """Place of a tap -> for each frame of [B, T, ...] the one that it weighs, 0 beyond the row."""
    beyond = [(0, 0), (len(TAPS) // 2,) * 2, *[(0, 0)] * (values.ndim - 2)]
    padded, count = jnp.pad(values, beyond), values.shape[1]
    return lambda tap_index: padded[:, tap_index : tap_index + count]
