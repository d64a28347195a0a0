"""Padded pairs of clips: which frames and joints count, and resampling in time."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Bool, Float, Int, Num

from signllm_jax.core.typing import Array


class Pairs(NamedTuple):
    """N pairs of clips, padded to one shape.

    Attributes:
        reference: Positions in shoulder widths, 0 where the joint is missing.
        observed: Joints that the reference shows.
        produced: Positions in shoulder widths, 0 where the joint is missing.
        produced_observed: Joints that the production shows.
        n: Lengths of the references in frames, 0 for an empty one.
        m: Lengths of the productions in frames, 0 for an empty one.
        fps: Frames per second of the references.
        produced_fps: Frames per second of the productions.
    """

    reference: Float[Array, "N T J 3"]
    observed: Bool[Array, "N T J"]
    produced: Float[Array, "N T J 3"]
    produced_observed: Bool[Array, "N T J"]
    n: Int[Array, " N"]
    m: Int[Array, " N"]
    fps: Float[Array, " N"]
    produced_fps: Float[Array, " N"]


def real_frames(frames: int, lengths: Int[Array, " N"]) -> Bool[Array, "N {frames}"]:
    """The mask of the frames within clips of these lengths."""
    return jnp.arange(frames) < lengths[:, None]


def seen_joints(observed: Bool[Array, "N T J"], n: Int[Array, " N"]) -> Bool[Array, "N T J"]:
    """The mask without the frames beyond the lengths n of the clips."""
    return observed & real_frames(observed.shape[1], n)[..., None]


def masked_mean(
    values: Float[Array, " N *rest"], mask: Bool[Array, " N *rest"]
) -> Float[Array, " N"]:
    """The mean over all but the first axis of the entries that `mask` keeps, NaN for none."""
    axes = tuple(range(1, mask.ndim))
    return jnp.where(mask, values, 0).sum(axes) / mask.sum(axes)


def differences(
    tracks: Float[Array, "N T J 3"], observed: Bool[Array, "N T J"], order: int
) -> tuple[Float[Array, "N steps J"], Bool[Array, "N steps J"]]:
    """The lengths of the finite differences of joints' tracks, and where they have a meaning.

    Args:
        tracks: Positions, or differences between two clips.
        observed: Joints that count in each frame.
        order: Order of the differences, 0 for the positions themselves; T - `order` steps remain.

    Returns:
        The Euclidean lengths, and whether the joint is observed in all frames of the difference.
    """
    for _ in range(order):
        tracks, observed = jnp.diff(tracks, axis=1), observed[:, 1:] & observed[:, :-1]
    return jnp.linalg.norm(tracks, axis=-1), observed


def stretch(
    values: Num[Array, "N T2 J C"], n: Int[Array, " N"], m: Int[Array, " N"], frames: int
) -> Float[Array, "N {frames} J C"]:
    """Resamples clips of lengths m to lengths n by linear interpolation in time.

    The first frame is mapped to the first and the last to the last; where n equals m nothing
    changes. Frames beyond n have no meaning.
    """
    time = jnp.arange(frames) * ((m - 1) / jnp.maximum(n - 1, 1))[:, None]
    time = jnp.clip(time, 0, jnp.maximum(m - 1, 0)[:, None])
    low = jnp.floor(time).astype(jnp.int32)
    part = (time - low)[..., None, None]
    high = jnp.minimum(low + 1, jnp.maximum(m - 1, 0)[:, None])
    rows = jnp.arange(values.shape[0])[:, None]
    return values[rows, low] * (1 - part) + values[rows, high] * part


def stretch_mask(
    observed: Bool[Array, "N T1 J"], n: Int[Array, " N"], m: Int[Array, " N"], frames: int
) -> Bool[Array, "N {frames} J"]:
    """Resamples the mask of clips of n frames to clips of m frames: the nearest frame in time.

    False beyond m. With it, both clips are counted over the same joints at the same relative time.
    """
    time = jnp.arange(frames) * ((n - 1) / jnp.maximum(m - 1, 1))[:, None]
    index = jnp.clip(jnp.round(time).astype(jnp.int32), 0, jnp.maximum(n - 1, 0)[:, None])
    mask = observed[jnp.arange(observed.shape[0])[:, None], index]
    return mask & (real_frames(frames, m) & (n > 0)[:, None])[..., None]
