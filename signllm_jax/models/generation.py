"""Free-running generation with Text2Pose: patch by patch or at once, and where a clip ends.

Decoding for users and rollouts of reinforcement learning are made of this.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from signllm_jax.core.config import ModelConfig
from signllm_jax.core.typing import Array, Tree
from signllm_jax.models.apply import apply
from signllm_jax.models.history import fed_back
from signllm_jax.models.layers import flow
from signllm_jax.models.layers.steps import (
    Caches,
    Memory,
    Steps,
    empty_caches,
    next_step,
    packed_steps,
)
from signllm_jax.models.layers.variety import HANDS, Seen
from signllm_jax.models.text2pose import Text2Pose


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


class Whole(NamedTuple):
    """B clips that were made at once.

    Attributes:
        frames: float32 [B, T, D - 1], anything after a clip's end.
        seen: bool [B, T, J], the joints that are shown.
        length: int32 [B], 1 to T.
        ended: bool [B], whether the clip's own length is at most T.
    """

    frames: Array
    seen: Array
    length: Array
    ended: Array


def draws(config: ModelConfig, frames: int = 0) -> int:
    """How many random numbers a clip takes.

    Z + 4 for a latent, and with `flow` the noise of all frames after it; else none.

    Args:
        config: of the group.
        frames: T, of which `flow` makes a clip.
    """
    latent = config.latent + len(HANDS) if config.varies else 0
    return latent + (frames * (config.frame_size - 1) if config.flow else 0)


def noise_of_frames(
    config: ModelConfig, noise: Float[Array, "B draws"] | None
) -> Float[Array, "B noise"] | None:
    """What a clip grows out of, [B, T (D - 1)], of noise [B, draws]; None where it needs none."""
    return noise[:, draws(config) :] if config.flow and noise is not None else None


def read_text(
    model: Text2Pose,
    params: Tree,
    text: Int[Array, "B S"],
    noise: Float[Array, "B draws"] | None = None,
    seen: Seen | None = None,
) -> Memory:
    """What the decoder reads of texts, and of a latent for each where the model has them.

    Args:
        model: of the group.
        params: its parameters.
        text: int32 [B, S], 0 = padding.
        noise: float32 [B, draws], see `Variety.draw`; None = 0, the most probable clips. That of
            frames is not read.
        seen: true clips, one a row, whose latents are read instead of drawn.
    """
    segment = (text > 0).astype(jnp.int32)
    memory = apply(model, params, text, segment, method="encode")
    if not model.config.varies:
        return memory
    if seen is not None:
        return apply(model, params, memory, seen, method="recognize")[0]
    if noise is None:
        noise = jnp.zeros((len(text), draws(model.config)))
    noise = noise[:, None, : draws(model.config)]
    return apply(model, params, memory, noise, method="vary")


def make_at_once(
    model: Text2Pose,
    params: Tree,
    memory: Memory,
    patches: int,
    length: Int[Array, " B"] | None = None,
    noise: Float[Array, "B noise"] | None = None,
) -> Whole:
    """All patches of clips by a parallel decoder, in one pass, or in `config.flow` out of noise.

    Args:
        model: of the group.
        params: its parameters.
        memory: from `read_text`.
        patches: N; clips have at most T = N P frames.
        length: int32 [B], frames; None = what the model tells.
        noise: float32 [B, T (D - 1)] that `config.flow` starts from; None = 0.
    """
    patch, ended = model.config.patch, None
    most = patches * patch
    if length is None:
        log_length = apply(model, params, memory, 1, method="tell_length")[:, 0]
        whole = jnp.round(jnp.exp(log_length))
        length = jnp.clip(whole, 1, most).astype(jnp.int32)
        ended = whole <= most
    start = patch * jnp.arange(patches)
    segment = (start < length[:, None]).astype(jnp.int32)
    counter = segment * start / length[:, None]
    steps = packed_steps(segment, whole=True)
    given = params, memory, counter.astype(jnp.float32), steps
    if model.config.flow:
        frames, seen = _flow(model, *given, noise)
    else:
        frames, seen = _pass(model, *given)
    frames, seen = (x.reshape(len(length), most, -1) for x in (frames, seen))
    return Whole(frames, seen, length, length <= most if ended is None else ended)


def _pass(
    model: Text2Pose,
    params: Tree,
    memory: Memory,
    counter: Float[Array, "B N"],
    steps: Steps,
    point: Float[Array, "B N patch_coords"] | None = None,
    time: Float[Array, "B N"] | None = None,
) -> tuple[Float[Array, "B N P coords"], Bool[Array, "B N P J"]]:
    """One pass over all patches: frames [B, N, P, D - 1] and which joints are shown."""
    given = memory, point, counter, steps, False, time
    predicted, _ = apply(model, params, *given, method="decode")
    return predicted.frames, predicted.seen > 0


def _flow(
    model: Text2Pose,
    params: Tree,
    memory: Memory,
    counter: Float[Array, "B N"],
    steps: Steps,
    noise: Float[Array, "B noise"] | None,
) -> tuple[Float[Array, "B N patch_coords"], Bool[Array, "B N patch_joints"]]:
    """What `_pass` returns, after all passes; joints that are not shown are 0, as in training."""
    passes, shape = model.config.flow, (*counter.shape, -1)
    size = model.config.patch * (model.config.frame_size - 1)
    start = jnp.zeros((*counter.shape, size)) if noise is None else noise.reshape(shape)

    def step(carry, number):
        point, _ = carry
        time = jnp.full(counter.shape, number / passes)
        frames, seen = _pass(model, params, memory, counter, steps, point, time)
        expected = fed_back(frames.reshape(shape), seen.reshape(shape))
        return (flow.advance(point, expected, number, passes), seen.reshape(shape)), None

    seen = jnp.zeros((*counter.shape, size // 3), bool)
    return jax.lax.scan(step, (start, seen), jnp.arange(passes))[0]


def eased(
    frames: Float[Array, "... T coords"],
    seen: Bool[Array, "... T J"],
    patch: int,
    share: float = 1.0,
) -> Float[Array, "... T coords"]:
    """Spreads what jumps between two patches evenly over the halves of both that meet there.

    Patches are predicted one by one, so that their ends do not meet; within one a motion is smooth.
    A jump is the step from one patch to the next less the mean of the steps before and after it. A
    joint is left alone where one of the four frames of a seam does not show it.

    Args:
        frames: float32 [..., T, D - 1], T a multiple of the patch.
        seen: bool [..., T, J], the joints that are shown.
        patch: P; nothing is done to patches of less than two frames.
        share: of the jump that is spread.

    Returns:
        [..., T, D - 1].
    """
    if patch < 2:
        return frames
    shape = (*frames.shape[:-2], -1, patch, frames.shape[-1])
    parts, shown = frames.reshape(shape), jnp.repeat(seen, 3, -1).reshape(shape)
    before, after = parts[..., :-1, -2:, :], parts[..., 1:, :2, :]
    steps = before[..., 1, :] - before[..., 0, :] + after[..., 1, :] - after[..., 0, :]
    jump = after[..., 0, :] - before[..., 1, :] - steps / 2
    whole = shown[..., :-1, -2:, :].all(-2) & shown[..., 1:, :2, :].all(-2)
    jump = jnp.where(whole, share * jump, 0.0)[..., None, :]
    weight = np.maximum(0, 0.5 - np.arange(patch) / (patch // 2 * 2))[:, None].astype(np.float32)
    parts = parts.at[..., 1:, :, :].add(-weight * jump)
    return parts.at[..., :-1, :, :].add(weight[::-1] * jump).reshape(frames.shape)


def begin(model: Text2Pose, clips: int, patches: int) -> Past:
    """The past of clips that have not begun, with caches for so many patches."""
    c = model.config
    caches = empty_caches(c.decoder_layers, clips, patches, c.width, c.heads, model.dtype)
    return Past(jnp.zeros((clips, c.patch * (c.frame_size - 1))), jnp.zeros(clips), caches)


def next_patch(
    model: Text2Pose,
    params: Tree,
    memory: Memory,
    past: Past,
    index: Int[Array, ""],
    noise: Float[Array, "B patch_coords"] | float = 0.0,
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
    predicted, caches = apply(
        model,
        params,
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


def first_end(
    counter: Float[Array, "... N"], before: Float[Array, "..."] | float = 0.0
) -> tuple[Bool[Array, "..."], Int[Array, "..."]]:
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
