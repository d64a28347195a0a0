"""The replay buffer of the Priority Learning Channel: what is kept of clips, on the devices.

A buffer is cut into strata, each with clips of its own, and every function here and in
`rl.sampling` is about one stratum of one language: `rl.plc` maps it over both.

A batch has a cyclic share, rows in the order of the data, and rows that are drawn by priority. All
is pure: `init`, then in every step `add` -> `sampling.reweight` -> `sampling.sample` -> (the
step) -> `update`.
"""

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from signllm_jax.core.typing import Array, Leaf
from signllm_jax.rl import stores
from signllm_jax.rl.clips import Clips

NONE = -1
LANES = 128  # of a TPU's registers


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=[
        "frames",
        "text",
        "length",
        "example",
        "error",
        "previous",
        "seen_step",
        "inserted",
        "swept",
        "deferred",
        "deferrals",
        "group",
    ],
    meta_fields=["clip"],
)
@dataclasses.dataclass(frozen=True)
class Replay:
    """A stratum's buffer of C clips; in the train state every array is led by [L, strata].

    Attributes:
        frames: float16 [C, lines, 128], standardized, without the counter, NaN where a joint was
            not observed: a clip's [F, D - 1] flattened, padded and cut into lines of 128, which a
            TPU stores without padding and without copying the whole buffer. Not part of a
            checkpoint.
        text: int32 [C, S], 0 = padding. Not part of a checkpoint.
        length: int32 [C], frames.
        example: int32 [C], the clip's index in its split; -1 = an empty slot.
        error: float32 [C], minus the reward when last seen; NaN = not measured yet, inf = it was
            not finite: the clip is quarantined until it is.
        previous: float32 [C], the error before that, NaN = none.
        seen_step: int32 [C], the step in which the error was measured.
        inserted: int32 [], clips inserted so far; the next one goes to slot `inserted` mod C.
        swept: int32 [], clips that the cyclic share took from here so far (`rl.resident`).
        deferred: int32 [], the slot of the drawn clip for which a batch had no room, and which
            comes first in the next one; -1 = none.
        deferrals: int32 [], clips that were deferred so far.
        clip: F and D - 1.
        group: int32 [C], number of the group of clips (`rl.group`) among which a clip's quality is
            measured; None = among all clips.
    """

    frames: Leaf | None
    text: Leaf | None
    length: Leaf
    example: Leaf
    error: Leaf
    previous: Leaf
    seen_step: Leaf
    inserted: Leaf
    swept: Leaf
    deferred: Leaf
    deferrals: Leaf
    clip: tuple[int, int]
    group: Leaf | None = None

    def frames_at(self, slot: Int[Array, "..."]) -> Float[Array, "... F coords"]:
        """The frames of clips int32 [...]: float16 [..., F, D - 1]."""
        lines = stores.fetch(self.frames, slot.reshape(-1)).reshape(*slot.shape, -1)
        return lines[..., : math.prod(self.clip)].reshape(*slot.shape, *self.clip)


def to_lines(
    frames: Float[Array, "N F coords"], length: Int[Array, " N"]
) -> Float[Array, "N lines 128"]:
    """Frames [N, F, D - 1] as the buffer has them, [N, lines, 128], NaN after a clip's end."""
    flat = jax.lax.platform_dependent(frames, length, cpu=_padded_last, default=_padded_first)
    return flat.reshape(len(frames), -1, LANES)


def _padded_last(frames, length):
    inside = jnp.arange(frames.shape[1]) < length[:, None]
    values = jnp.where(inside[..., None], frames, jnp.nan).astype(jnp.float16)
    return _pad(values)


def _padded_first(frames, length):
    """The same; a TPU then pads in the same operation, which a CPU is slow in."""
    flat = _pad(frames)
    number = jnp.arange(flat.shape[1])
    ended = (number >= length[:, None] * frames.shape[-1]) & (number < frames[0].size)
    return jnp.where(ended, jnp.nan, flat).astype(jnp.float16)


def _pad(frames):
    rest = _lines(*frames.shape[1:]) * LANES - frames[0].size
    return jnp.pad(frames.reshape(len(frames), -1), ((0, 0), (0, rest)))


def _lines(frames: int, size: int) -> int:
    """Whole tiles of 16 lines: else the TPU compiler would lay clips crosswise."""
    return -(-frames * size // (16 * LANES)) * 16


def init(capacity: int, frames: int, tokens: int, frame_size: int, grouped: bool = False) -> Replay:
    """An empty buffer: C = capacity, F = frames, S = tokens, D = frame_size."""
    zero = jnp.zeros((), jnp.int32)
    return Replay(
        frames=jnp.zeros((capacity, _lines(frames, frame_size - 1), LANES), jnp.float16),
        text=jnp.zeros((capacity, tokens), jnp.int32),
        length=jnp.zeros(capacity, jnp.int32),
        example=jnp.full(capacity, NONE, jnp.int32),
        error=jnp.full(capacity, jnp.nan, jnp.float32),
        previous=jnp.full(capacity, jnp.nan, jnp.float32),
        seen_step=jnp.zeros(capacity, jnp.int32),
        inserted=zero,
        swept=zero,
        deferred=zero + NONE,
        deferrals=zero,
        clip=(frames, frame_size - 1),
        group=jnp.full(capacity, NONE, jnp.int32) if grouped else None,
    )


def add(replay: Replay, clips: Clips) -> tuple[Replay, Int[Array, " N"]]:
    """Inserts clips cyclically, each over the oldest; a clip that is there already stays.

    Args:
        replay: holds at least as many slots as there are clips.
        clips: N clips; those of length 0 are not inserted.

    Returns:
        The buffer, and the slot int32 [N] of every clip: C for one that is not in it.
    """
    capacity, number = len(replay.example), jnp.arange(len(clips.example))
    slots = jnp.arange(capacity)
    exists = (clips.length > 0) & (clips.example >= 0)
    same = (clips.example[:, None] == clips.example) & exists
    first = jnp.where(same, number, len(number)).min(1)  # of a clip that comes twice
    match = (replay.example == clips.example[:, None]) & exists[:, None]
    at = jnp.where(match, slots, capacity).min(1)
    held = at < capacity
    new = exists & ~held & (first == number)
    fresh = (replay.inserted + (new & (number <= first[:, None])).sum(1) - 1) % capacity
    into = jnp.where(new, fresh, capacity)
    evicted = (at - replay.inserted) % capacity < new.sum()
    slot = jnp.where(held, jnp.where(evicted, capacity, at), jnp.where(exists, fresh, capacity))
    hit = into[:, None] == slots
    written = (slots - replay.inserted) % capacity < new.sum()

    def write(old, values):
        return jnp.where(written, jnp.where(hit, values[:, None], 0).sum(0), old)

    frames = clips.frames if clips.mask is None else unobserved_to_nan(clips.frames, clips.mask)
    frames = to_lines(frames, clips.length)
    # the TPU compiler aborts when it fuses the gathers that made these into the scatters
    frames, text = jax.lax.optimization_barrier((frames, clips.text))
    return dataclasses.replace(
        replay,
        frames=stores.put(replay.frames, into, frames),
        text=stores.put(replay.text, into, text),
        length=write(replay.length, clips.length),
        example=write(replay.example, clips.example),
        error=jnp.where(written, jnp.nan, replay.error),
        previous=jnp.where(written, jnp.nan, replay.previous),
        seen_step=jnp.where(written, 0, replay.seen_step),
        inserted=replay.inserted + new.sum(),
        group=None if replay.group is None else write(replay.group, clips.group),
    ), slot.astype(jnp.int32)


def unobserved_to_nan(
    frames: Float[Array, "... coords"], mask: Bool[Array, "... J"]
) -> Float[Array, "... coords"]:
    """Frames [..., D - 1] of joints bool [..., J], NaN where a joint was not observed."""
    seen = jax.lax.platform_dependent(
        mask,
        cpu=lambda mask: jnp.repeat(mask, 3, axis=-1),
        default=lambda mask: mask * 1.0 @ np.repeat(np.eye(mask.shape[-1]), 3, 1) > 0,
    )  # a TPU has no cheap repeat along the last axis
    return jnp.where(seen, frames, jnp.nan)


def update(
    replay: Replay, slot: Int[Array, " N"], error: Float[Array, " N"], step: Int[Array, ""] | int
) -> Replay:
    """Stores what a step measured.

    Args:
        replay: of a stratum.
        slot: int32 [N], C or more = none; of a slot that comes twice the last error counts.
        error: float32 [N]; one that is not finite puts the clip into quarantine.
        step: int32 [].
    """
    hit = slot[:, None] == jnp.arange(len(replay.error))
    last = jnp.where(hit, jnp.arange(len(slot))[:, None], NONE).max(0)
    error = stores.pick(jnp.where(jnp.isfinite(error), error, jnp.inf), last)
    return dataclasses.replace(
        replay,
        previous=jnp.where(last >= 0, replay.error, replay.previous),
        error=jnp.where(last >= 0, error, replay.error),
        seen_step=jnp.where(last >= 0, step, replay.seen_step),
    )


def summary(replay: Replay) -> dict[str, Int[Array, ""]]:
    """Counts for the log, of one stratum: `clips`, `quarantined`, `deferrals`."""
    return {
        "clips": (replay.example >= 0).sum(),
        "quarantined": jnp.isposinf(replay.error).sum(),
        "deferrals": replay.deferrals,
    }
