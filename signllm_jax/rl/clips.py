"""Between packed rows and single clips, on the device: by index gathers of fixed shapes."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from signllm_jax.typing import Array, Batch


class Clips(NamedTuple):
    """N clips, one a row.

    Attributes:
        text: int32 [N, S], 0 = padding.
        frames: float32 [N, F, D - 1], without the counter, 0 after a clip's end.
        mask: bool [N, F, J], the observed joints.
        length: int32 [N], frames; 0 = no clip, or one that does not fit F and S.
        example: int32 [N], -1 = none.
    """

    text: Array
    frames: Array
    mask: Array
    length: Array
    example: Array


class Places(NamedTuple):
    """Where N clips go when they are packed into rows.

    Attributes:
        row: int32 [N]; the number of rows where a clip is left out.
        frame: int32 [N], the first frame in the row.
        token: int32 [N], the first token in the row.
        number: int32 [N], which clip of the row it is, from 0.
    """

    row: Array
    frame: Array
    token: Array
    number: Array


def unpack(batch: Batch, frames: int, tokens: int) -> Clips:
    """The clips of packed rows.

    Args:
        batch: rows [R, ...] of one language.
        frames: F; a longer clip comes out with length 0.
        tokens: S; a clip with a longer text comes out with length 0.

    Returns:
        N = R * K clips in the order of the rows.
    """
    numbers = jnp.arange(1, batch.example.shape[1] + 1)

    def row(text, text_segment, values, mask, segment, example):
        def clip(number, index):
            inside, spoken = segment == number, text_segment == number
            length, words = inside.sum(), spoken.sum()
            own = jnp.arange(frames) < length
            place = jnp.minimum(jnp.argmax(inside) + jnp.arange(frames), len(inside) - 1)
            token = jnp.minimum(jnp.argmax(spoken) + jnp.arange(tokens), len(spoken) - 1)
            fits = (index >= 0) & (length <= frames) & (words <= tokens)
            return Clips(
                jnp.where(jnp.arange(tokens) < words, text[token], 0),
                jnp.where(own[:, None], values[place, :-1], 0.0),
                mask[place] & own[:, None],
                jnp.where(fits, length, 0).astype(jnp.int32),
                index,
            )

        return jax.vmap(clip)(numbers, example)

    clips = jax.vmap(row)(
        batch.text, batch.text_segment, batch.frames, batch.joint_mask, batch.segment, batch.example
    )
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), clips)


def place(
    length: Array, words: Array, *, rows: int, frames: int, tokens: int, clips: int, patch: int
) -> tuple[Places, Array]:
    """Packs clips into rows in their order, one row after the other, until one does not fit.

    To stop there, and not to look for a shorter clip, keeps what is packed an unbiased sample of
    what was drawn.

    Args:
        length: int32 [N], frames of each clip; one of length 0 takes no room and no place.
        words: int32 [N], tokens of each clip.
        rows, frames, tokens, clips: limits: R rows of T frames, S tokens and K clips.
        patch: clips start on multiples of it.

    Returns:
        The places, and the index of the first clip that found no room (N when all did).
    """

    def step(carry, need):
        row, used, stopped = carry
        room, size = need[0], jnp.stack([-(-need[0] // patch) * patch, need[1], 1])
        limits = jnp.array([frames, tokens, clips])
        exists = room > 0
        fits = (used + size <= limits).all()
        row = jnp.where(exists & ~fits, row + 1, row)
        used = jnp.where(fits | ~exists, used, 0)
        stopped = stopped | (exists & ((row >= rows) | (size > limits).any()))
        taken = exists & ~stopped
        found = Places(jnp.where(taken, row, rows), used[0], used[1], used[2])
        return (row, used + size * taken, stopped), (found, stopped)

    start = (jnp.int32(0), jnp.zeros(3, jnp.int32), jnp.bool(False))
    _, (places, stopped) = jax.lax.scan(step, start, jnp.stack([length, words], 1))
    first = jnp.where(stopped.any(), jnp.argmax(stopped), len(length))
    return places, first.astype(jnp.int32)


def pack(
    frames: Array,
    text: Array,
    length: Array,
    example: Array,
    slot: Array,
    places: Places,
    *,
    rows: int,
    row_frames: int,
    row_tokens: int,
    row_clips: int,
) -> Batch:
    """Gathers clips of a store into packed rows.

    Args:
        frames: float16 [C, F, D - 1] of the store, NaN where a joint was not observed.
        text: int32 [C, S].
        length: int32 [C].
        example: int32 [C].
        slot: int32 [N], where each packed clip lies in the store.
        places: of the N clips.
        rows, row_frames, row_tokens, row_clips: R, T, S and K of the rows.

    Returns:
        A Batch [R, ...] of one language, as `data.pipeline` makes it.
    """
    count, words = length[slot], (text[slot] > 0).sum(-1)

    def gather(first, size, width):
        """For every place [R, width]: which of the N clips is there (-1), and its part."""
        place = jnp.arange(width)
        start = first[:, None, None]
        inside = (places.row[:, None, None] == jnp.arange(rows)[:, None]) & (place >= start)
        inside &= place < start + size[:, None, None]
        which = jnp.where(inside.any(0), jnp.argmax(inside, 0), -1)
        return which, jnp.where(which >= 0, place - first[which], 0)

    which, at = gather(places.frame, count, row_frames)
    real = which >= 0
    values = frames[slot[which], at].astype(jnp.float32)
    mask = ~jnp.isnan(values[..., ::3]) & real[..., None]
    values = jnp.where(jnp.isnan(values) | ~real[..., None], 0.0, values)
    counter = (at + 1.0) / jnp.maximum(count[which], 1) * real
    spoken, token = gather(places.token, words, row_tokens)
    number = jnp.where(real, places.number[which] + 1, 0)
    found = jnp.full((rows, row_clips), -1, jnp.int32)
    return Batch(
        text=jnp.where(spoken >= 0, text[slot[spoken], token], 0),
        text_segment=jnp.where(spoken >= 0, places.number[spoken] + 1, 0),
        frames=jnp.concatenate([values, counter[..., None]], -1),
        joint_mask=mask,
        segment=number,
        position=jnp.where(real, at + 1, 0),
        example=found.at[places.row, places.number].set(example[slot], mode="drop"),
    )
