"""Between packed rows and single clips, on the device: by index gathers of fixed shapes."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from signllm_jax.rl import stores
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


def _take(values: Array, at: Array) -> Array:
    return values[at]


def unpack(batch: Batch, frames: int, tokens: int, fetch=_take) -> Clips:
    """The clips of packed rows.

    Args:
        batch: rows [R, ...] of one language.
        frames: F; a longer clip comes out with length 0.
        tokens: S; a clip with a longer text comes out with length 0.
        fetch: `stores.fetch` where every device has whole rows of its own.

    Returns:
        N = R * K clips in the order of the rows.
    """
    numbers = jnp.arange(1, batch.example.shape[1] + 1)
    inside = batch.segment[:, None] == numbers[:, None]
    spoken = batch.text_segment[:, None] == numbers[:, None]
    length, words = inside.sum(-1), spoken.sum(-1)
    fits = (batch.example >= 0) & (length <= frames) & (words <= tokens)
    own = jnp.arange(frames) < length[..., None]
    # in one array, for one gather
    seen = jnp.concatenate([batch.frames[..., :-1], batch.joint_mask], -1)
    seen = windows(seen, jnp.argmax(inside, -1), frames, fetch)
    values, mask = jnp.split(seen, [batch.frames.shape[-1] - 1], -1)
    text = windows(batch.text, jnp.argmax(spoken, -1), tokens, fetch)
    clips = Clips(
        jnp.where(jnp.arange(tokens) < words[..., None], text, 0),
        jnp.where(own[..., None], values, 0.0),
        (mask > 0) & own[..., None],
        jnp.where(fits, length, 0).astype(jnp.int32),
        batch.example,
    )
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), clips)


def windows(values: Array, start: Array, size: int, fetch=_take) -> Array:
    """Parts of `size` of the second axis: values [R, W, ...] from start int32 [R, K] on.

    What lies outside of the values is one of them, to be masked.

    Returns:
        [R, K, size, ...].
    """
    at = jnp.clip(start[..., None] + jnp.arange(size), 0, values.shape[1] - 1)
    found = jax.vmap(lambda x, n: fetch(x, n.reshape(-1)))(values, at)
    return found.reshape(*at.shape, *values.shape[2:])


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
    count, exists = len(length), length > 0
    size = jnp.stack([-(-length // patch) * patch, words, jnp.ones_like(length)]) * exists
    used = jnp.cumsum(size, 1)
    before = used - size
    limits = jnp.array([frames, tokens, clips])[:, None, None]
    fit = (used[:, None, :] - before[:, :, None] <= limits).all(0)  # i to j in one row
    # where the row after the one that starts with i starts; N after the last
    following = jnp.where(fit.all(1), count, jnp.argmin(fit, 1))
    start = jnp.zeros((), jnp.int32)
    row, origin = jnp.zeros(count, jnp.int32), jnp.zeros((3, 1), jnp.int32)
    number = jnp.arange(count)
    for _ in range(rows):
        start = jnp.where(start < count, jnp.where(number == start, following, 0).sum(), count)
        behind = number >= start
        row = row + behind
        first = jnp.where(number == start, before, 0).sum(1, keepdims=True)
        origin = jnp.where(behind, first, origin)
    taken = exists & (row < rows)
    return Places(jnp.where(taken, row, rows), *(before - origin)), start.astype(jnp.int32)


def pack(
    frames: Array,
    text: Array,
    length: Array,
    example: Array,
    slots: Array,
    first: Array,
    word: Array,
    *,
    row_frames: int,
    row_tokens: int,
) -> Batch:
    """Puts clips of a store into packed rows.

    Args:
        frames: float16 [R * K, F, D - 1] of the clips of `slots`, NaN where a joint was not
            observed.
        text: int32 [C, S].
        length: int32 [C].
        example: int32 [C].
        slots: int32 [R, K], where each clip of a row lies in the store; C = none.
        first: int32 [R, K], the first frame of each.
        word: int32 [R, K], the first token of each.
        row_frames, row_tokens: T and S of the rows.

    Returns:
        A Batch [R, ...] of one language, as `data.pipeline` makes it.
    """
    there, at = slots < len(length), slots.reshape(-1)
    count = jnp.where(there, stores.fetch(length, at).reshape(slots.shape), 0)
    own_text = stores.fetch(text, at)
    spoken = jnp.where(there, (own_text > 0).sum(-1).reshape(slots.shape), 0)

    def lay(chosen, start, size, width):
        """The clips' parts in rows [R, K, width, ...], where they are, and their places."""
        moved = windows(chosen, -start.reshape(-1, 1), width, stores.fetch)[:, 0]
        places = jnp.arange(width) - start[..., None]
        inside = (places >= 0) & (places < size[..., None])
        return moved.reshape(*slots.shape, *moved.shape[1:]), inside, places

    values, inside, places = lay(frames.astype(jnp.float32), first, count, row_frames)
    # at most one clip is at a place; the sum over clips picks it
    values = jnp.where(inside[..., None], values, 0.0).sum(1)
    mask = ~jnp.isnan(values[..., ::3]) & inside.any(1)[..., None]
    counter = (inside * (places + 1.0) / jnp.maximum(count, 1)[..., None]).sum(1)
    number = jnp.arange(1, slots.shape[1] + 1)[:, None]
    tokens, said, _ = lay(own_text, word, spoken, row_tokens)
    return Batch(
        text=jnp.where(said, tokens, 0).sum(1),
        text_segment=(said * number).sum(1),
        frames=jnp.concatenate([jnp.where(jnp.isnan(values), 0.0, values), counter[..., None]], -1),
        joint_mask=mask,
        segment=(inside * number).sum(1),
        position=(inside * (places + 1)).sum(1),
        example=jnp.where(there, stores.fetch(example, at).reshape(slots.shape), -1),
    )
