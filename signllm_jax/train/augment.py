"""Data augmentation for a sign reader: distorts packed pose frames, on the devices.

A reader must tolerate the small errors of generated clips and of other signers. It must also ignore
what a model generates for joints that real clips do not show.
"""

import jax
import jax.numpy as jnp

from signllm_jax.core.config import ReadingConfig
from signllm_jax.core.typing import Array, Batch
from signllm_jax.models.layers.embed import segment_positions


def distort(batch: Batch, key: Array, config: ReadingConfig) -> Array:
    """Distorts every clip of a batch in its own way.

    A clip keeps its length, but its tempo varies. In half of the clips, unobserved joints stay
    missing; in the other half, they move like the frames at another time of the row.

    Args:
        batch: Batch of one language, without the leading axis.
        key: Random key.
        config: Strengths of the distortions.

    Returns:
        The distorted frames float32 [B, T, D - 1], without the counter.
    """
    keys = jax.random.split(key, 10)
    rows, time, size = batch.frames[..., :-1].shape
    clips = batch.example.shape[-1] + 1  # segment 0 is padding

    def per_frame(values):
        """Repeats the values of each clip [B, K + 1, ...] on all of its frames [B, T, ...]."""
        index = batch.segment.reshape(rows, time, *[1] * (values.ndim - 2))
        return jnp.take_along_axis(values, index, axis=1)

    def uniform(key, low, high):
        return per_frame(jax.random.uniform(key, (rows, clips), minval=low, maxval=high))

    position, length = segment_positions(batch.segment)
    progress = position / jnp.maximum(length - 1, 1)
    ease = uniform(keys[0], -0.5, 0.5), uniform(keys[1], -0.5, 0.5)
    bent = progress + config.tempo * (
        ease[0] * jnp.sin(jnp.pi * progress) * 2 / jnp.pi
        + ease[1] * jnp.sin(2 * jnp.pi * progress) / jnp.pi
    )
    moment = jnp.arange(time) - position + jnp.round(bent * jnp.maximum(length - 1, 0)).astype(int)
    moment = jnp.clip(moment, 0, time - 1)[..., None]
    frames = jnp.take_along_axis(batch.frames[..., :-1], moment, axis=1)
    seen = jnp.repeat(jnp.take_along_axis(batch.joint_mask, moment, axis=1), 3, axis=-1)

    unseen = jnp.roll(frames, time // 3, axis=1) * uniform(keys[2], 0.0, 1.0)[..., None]
    fills = uniform(keys[3], -1.0, 1.0)[..., None] > 0
    frames = jnp.where(seen, frames, unseen * fills)
    seen = seen | fills

    scale = 1 + config.scale * uniform(keys[4], -1.0, 1.0)[..., None]
    offset = jax.random.normal(keys[5], (rows, clips, size))
    offset = per_frame(offset * jax.random.uniform(keys[8], (rows, clips, 1), maxval=config.offset))
    noise = uniform(keys[6], 0.0, config.noise)[..., None]
    frames = frames * scale + offset + noise * jax.random.normal(keys[9], frames.shape)
    kept = jax.random.bernoulli(keys[7], 1 - config.blank, (rows, time, 1))
    return frames * (seen & kept & (batch.segment > 0)[..., None])
