# LEAD: STOP AND READ /tmp/brief/SPLIT.md NOW (then delete this line)
"""Free-running generation with Text2Pose: one patch after the other, and where a clip ends.

Decoding for users and rollouts of reinforcement learning are made of this.
"""

from typing import NamedTuple

import jax.numpy as jnp

from signllm_jax.core.typing import Array, Tree
from signllm_jax.models.layers.steps import (
    Caches,
    TextMemory,
    empty_caches,
    next_step,
    packed_steps,
)
from signllm_jax.models.text2pose import Text2Pose, fed_back


class Past(NamedTuple):
    """What the next patch of B clips follows from.

    Attributes:
        history: float32 [B, P (D - 1)], the frames of the patch before as they are fed back: 0 for
            joints that it does not show, and at the start.
        counter: float32 [B], the counter reached, 0 at the start.
        caches: each layer's keys and values.
    """

    history: Array
    counter: Array
    caches: Caches


class Patch(NamedTuple):
    """A patch of B clips.

    Attributes:
        frames: float32 [B, P (D - 1)].
        counter: float32 [B, P].
        seen: bool [B, P J], the joints that are shown.
    """

    frames: Array
    counter: Array
    seen: Array


def read_text(
    model: Text2Pose, params: Tree, text: Array, latent: Array | None = None
) -> TextMemory:
    """What the decoder reads of texts and of their clips' latents.

    Args:
        model: of the group.
        params: its parameters.
        text: int32 [B, S], 0 = padding.
        latent: float32 [B, 1, Z], of a model that has one.
    """
    segment = (text > 0).astype(jnp.int32)
    return model.apply({"params": params}, text, segment, latent=latent, method="encode")


def draw_latent(model: Text2Pose, params: Tree, text: Array, noise: Array) -> Array:
    """Latents of texts: [B, 1, Z] at standard normal noise [B, Z] of what is expected of each."""
    segment = (text > 0).astype(jnp.int32)
    prior = model.apply({"params": params}, text, segment, 1, method="prior")
    return prior.at(noise[:, None])


def shown_latent(
    model: Text2Pose, params: Tree, text: Array, frames: Array, mask: Array, length: Array
) -> Array | None:
    """The latents [B, 1, Z] that true clips show most likely; None of a model without.

    Args:
        model: of the group.
        params: its parameters.
        text: int32 [B, S], 0 = padding.
        frames: float32 [B, T, D - 1], standardised.
        mask: bool [B, T, J], the observed joints.
        length: int32 [B].
    """
    if not model.config.latent:
        return None
    spoken = (text > 0).astype(jnp.int32)
    segment = (jnp.arange(frames.shape[1]) < length[:, None]).astype(jnp.int32)
    args = frames, mask, segment, spoken, 1
    return model.apply({"params": params}, *args, method="posterior").mean


def begin(model: Text2Pose, clips: int, patches: int) -> Past:
    """The past of clips that have not begun, with caches for so many patches."""
    c = model.config
    caches = empty_caches(c.decoder_layers, clips, patches, c.width, c.heads, model.dtype)
    return Past(jnp.zeros((clips, c.patch * (c.frame_size - 1))), jnp.zeros(clips), caches)


def next_patch(
    model: Text2Pose,
    params: Tree,
    memory: TextMemory,
    past: Past,
    index: Array,
    noise: Array | float = 0.0,
) -> tuple[Past, Patch]:
    """The patch that follows, and the past of the one after it.

    Args:
        model: of the group.
        params: its parameters.
        memory: from `read_text`.
        past: from `begin` or the call before.
        index: int32 [], number of the patch.
        noise: float32 [B, P (D - 1)], added to what is predicted, and fed back with it where
            a joint is shown.
    """
    clips = len(past.counter)
    predicted, caches = model.apply(
        {"params": params},
        memory,
        past.history[:, None],
        past.counter[:, None],
        next_step(past.caches, index),
        method="decode",
    )
    frames = predicted.frames.reshape(clips, -1) + noise
    counter = predicted.counter[:, 0]
    seen = predicted.seen.reshape(clips, -1) > 0
    past = Past(fed_back(frames, seen), counter[:, -1], caches)
    return past, Patch(frames, counter, seen)


def whole_clips(
    model: Text2Pose, params: Tree, memory: TextMemory, patches: int, noise: Array | float = 0.0
) -> Patch:
    """Clips in one pass, of a decoder that predicts all patches at once.

    Args:
        model: of the group.
        params: its parameters.
        memory: from `read_text`.
        patches: N, how many there is room for.
        noise: float32 [B, N, P (D - 1)], added to what is predicted.

    Returns:
        The patches [B, N, ...]. The counter is 1 at the last frame of a clip, and never in a clip
        that has no room.
    """
    size = model.config.patch
    length = jnp.maximum(jnp.round(memory.frames.sum(-1)), 1)[:, None]
    start = size * jnp.arange(patches)
    segment = (start < length).astype(jnp.int32)
    steps = packed_steps(segment, causal=False)
    before = jnp.minimum(start / length, 1.0)
    args = memory, None, before, steps
    predicted, _ = model.apply({"params": params}, *args, method="decode")
    counter = jnp.arange(1, size * patches + 1).reshape(patches, size) / length[..., None]
    flat = (len(length), patches, -1)
    frames = predicted.frames.reshape(flat) + noise
    return Patch(frames, counter, predicted.seen.reshape(flat) > 0)


def first_end(counter: Array, before: Array | float = 0.0) -> tuple[Array, Array]:
    """Where clips end: at the frame whose counter is nearest to 1.

    That is the first frame from which half a frame more would reach 1.

    Args:
        counter: float32 [..., N], of consecutive frames.
        before: float32 [...], the counter of the frame before them.

    Returns:
        Whether a clip ends within these frames, bool [...], and after how many of them, int32
        [...]; N where it does not.
    """
    before = jnp.broadcast_to(before, counter.shape[:-1])[..., None]
    previous = jnp.concatenate([before, counter[..., :-1]], -1)
    reached = counter + 0.5 * jnp.maximum(counter - previous, 0) >= 1
    ends = reached.any(-1)
    return ends, jnp.where(ends, jnp.argmax(reached, -1) + 1, counter.shape[-1]).astype(jnp.int32)
