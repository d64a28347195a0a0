"""Distortions of packed pose frames while a reader learns: pure, on the devices.

A reader must forgive the small errors of productions and other signers, and must not be misled by
what a model puts where real clips show nothing.
"""

import jax
import jax.numpy as jnp

from signllm_jax.core.config import ReadingConfig
from signllm_jax.core.typing import Array, Batch
from signllm_jax.models.layers.embed import segment_positions


def distort(batch: Batch, key: Array, config: ReadingConfig) -> Array:
    """The frames of a Batch without its leading axis, each clip distorted in another way.

    A clip keeps its length; its tempo changes within it. Joints that were not observed stay
    missing in half of the clips and move as another moment of the row does in the other half.

    Args:
        batch: one language's.
        key: random key.
        config: how far.

    Returns:
        float32 [B, T, D - 1], without the counter.
    """
    keys = jax.random.split(key, 10)
    rows, time, size = batch.frames[..., :-1].shape
    clips = batch.example.shape[-1] + 1  # segment 0 is padding

    def own(values):
        """A clip's number(s) [B, K + 1, ...] on each of its frames [B, T, ...]."""
        index = batch.segment.reshape(rows, time, *[1] * (values.ndim - 2))
        return jnp.take_along_axis(values, index, axis=1)

    def uniform(key, low, high):
        return own(jax.random.uniform(key, (rows, clips), minval=low, maxval=high))

    place, length = segment_positions(batch.segment)
    progress = place / jnp.maximum(length - 1, 1)
    ease = uniform(keys[0], -0.5, 0.5), uniform(keys[1], -0.5, 0.5)
    bent = progress + config.tempo * (
        ease[0] * jnp.sin(jnp.pi * progress) * 2 / jnp.pi
        + ease[1] * jnp.sin(2 * jnp.pi * progress) / jnp.pi
    )
    moment = jnp.arange(time) - place + jnp.round(bent * jnp.maximum(length - 1, 0)).astype(int)
    moment = jnp.clip(moment, 0, time - 1)[..., None]
    frames = jnp.take_along_axis(batch.frames[..., :-1], moment, axis=1)
    seen = jnp.repeat(jnp.take_along_axis(batch.joint_mask, moment, axis=1), 3, axis=-1)

    other = jnp.roll(frames, time // 3, axis=1) * uniform(keys[2], 0.0, 1.0)[..., None]
    fills = uniform(keys[3], -1.0, 1.0)[..., None] > 0
    frames = jnp.where(seen, frames, other * fills)
    seen = seen | fills

    scale = 1 + config.scale * uniform(keys[4], -1.0, 1.0)[..., None]
    offset = jax.random.normal(keys[5], (rows, clips, size))
    offset = own(offset * jax.random.uniform(keys[8], (rows, clips, 1), maxval=config.offset))
    noise = uniform(keys[6], 0.0, config.noise)[..., None]
    frames = frames * scale + offset + noise * jax.random.normal(keys[9], frames.shape)
    kept = jax.random.bernoulli(keys[7], 1 - config.blank, (rows, time, 1))
    return frames * (seen & kept & (batch.segment > 0)[..., None])
