"""Between packed rows and single clips, on the device: by index gathers of fixed shapes."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, Shaped

from signllm_jax.core.typing import Array, Batch
from signllm_jax.rl import stores


class Clips(NamedTuple):
    """N clips, one a row.

    Attributes:
        text: int32 [N, S], 0 = padding.
        frames: float32 [N, F, D - 1], without the counter, 0 after a clip's end.
        mask: bool [N, F, J], the observed joints; None = frames are NaN where there is none,
            and anything after a clip's end.
        length: int32 [N], frames; 0 = no clip, or one that does not fit F and S.
        example: int32 [N], -1 = none.
        group: int32 [N], see Batch; None = there are no groups.
    """

    text: Array
    frames: Array
    mask: Array | None
    length: Array
    example: Array
    group: Array | None = None


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
    # in one array, for one gather
    seen = jnp.concatenate([batch.frames[..., :-1], batch.joint_mask], -1)
    clips = cut(batch, seen, frames, tokens)
    values, mask = jnp.split(clips.frames, [batch.frames.shape[-1] - 1], -1)
    inside = jnp.arange(frames) < clips.length[:, None]
    return clips._replace(
        frames=jnp.where(inside[..., None], values, 0.0), mask=(mask > 0) & inside[..., None]
    )


def cut(batch: Batch, values: Shaped[Array, "R T ..."], frames: int, tokens: int) -> Clips:
    """`unpack` of any values [R, T, ...] of the frames.

    Returns:
        Clips without a mask, with parts of the values as frames [N, F, ...], which hold anything
        after a clip's end.
    """
    numbers = jnp.arange(1, batch.example.shape[1] + 1)

    def spans(segment):
        """The first place, and how many, of each clip [R, K]."""
        inside, position = segment[:, None] == numbers[:, None], jnp.arange(segment.shape[1])
        return jnp.where(inside, position, len(position)).min(-1), inside.sum(-1)

    (start, length), (word, words) = spans(batch.segment), spans(batch.text_segment)
    fits = (batch.example >= 0) & (length <= frames) & (words <= tokens)
    spoken = batch.text_segment[:, None] == numbers[:, None]
    rank = jnp.arange(batch.text.shape[1]) - word[..., None]
    chosen = (rank[..., None, :] == jnp.arange(tokens)[:, None]) & spoken[..., None, :]
    clips = Clips(
        jnp.where(chosen, batch.text[:, None, None], 0).sum(-1),
        windows(values, start, frames),
        None,
        jnp.where(fits, length, 0).astype(jnp.int32),
        batch.example,
        batch.group,
    )
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), clips)


def windows(
    values: Shaped[Array, "R W ..."], start: Int[Array, "R K"], size: int
) -> Shaped[Array, "R K size ..."]:
    """Parts of `size` of the second axis: values [R, W, ...] from start int32 [R, K] on.

    What lies outside of the values is one of them, to be masked.

    Returns:
        [R, K, size, ...].
    """
    rows, width = values.shape[:2]
    at = jnp.clip(start[..., None] + jnp.arange(size), 0, width - 1)
    at = at + width * jnp.arange(rows)[:, None, None]
    parts = stores.fetch(values.reshape(-1, *values.shape[2:]), at.reshape(-1))
    return parts.reshape(*at.shape, *values.shape[2:])


def place(
    sizes: Int[Array, "3 N"], *, rows: int, frames: int, tokens: int, clips: int
) -> tuple[Places, Int[Array, ""]]:
    """Packs clips into rows in their order, one row after the other, until one does not fit.

    To stop there, and not to look for a shorter clip, keeps what is packed an unbiased sample of
    what was drawn.

    Args:
        sizes: int32 [3, N], of each clip: frames (a multiple of what clips start on), tokens, and
            1; all are 0 where there is none, which takes no room and no place.
        rows, frames, tokens, clips: limits: R rows of T frames, S tokens and K clips.

    Returns:
        The places, and the index of the first clip that found no room (N when all did).
    """
    count, limits = sizes.shape[1], np.array([frames, tokens, clips])[:, None, None]
    number = np.arange(count)
    earlier = number < number[:, None]
    before = jnp.where(earlier, sizes[:, None], 0).sum(-1)
    until = jnp.where(earlier | np.eye(count, dtype=bool), sizes[:, None], 0).sum(-1)
    together = until[:, None] - before[..., None]  # [3, N, N] of the clips i to j
    # where the row after the one that starts with i starts; N after the last
    following = jnp.where(together <= limits, count, number).min((0, 2))
    start, row, row_start = (
        jnp.zeros((), jnp.int32),
        jnp.zeros_like(sizes[0]),
        jnp.zeros_like(sizes[0]),
    )
    for _ in range(rows):
        row_start = jnp.where(number >= start, start, row_start)
        start = jnp.maximum(stores.pick(following, start[None])[0], start)
        row = row + (number >= start)
    places = jnp.where((number >= row_start[:, None]) & earlier, sizes[:, None], 0).sum(-1)
    return Places(jnp.where((sizes[2] > 0) & (row < rows), row, rows), *places), start


def pack(
    frames: Float[Array, "R K F coords"],
    text: Int[Array, "R K S"],
    length: Int[Array, "R K"],
    words: Int[Array, "R K"],
    example: Int[Array, "R K"],
    first: Int[Array, "R K"],
    word: Int[Array, "R K"],
    *,
    row_frames: int,
    row_tokens: int,
) -> Batch:
    """Puts clips into packed rows.

    Args:
        frames: float32 [R, K, F, D - 1] of each clip of a row, NaN where a joint was not observed.
        text: int32 [R, K, S].
        length: int32 [R, K], frames; 0 = no clip.
        words: int32 [R, K], tokens.
        example: int32 [R, K], -1 = none.
        first: int32 [R, K], the first frame of each.
        word: int32 [R, K], the first token of each.
        row_frames, row_tokens: T and S of the rows.

    Returns:
        A Batch [R, ...] of one language, as `data.pipeline` makes it.
    """
    rows, clips, width = frames.shape[:3]
    number = jnp.arange(1, clips + 1)[:, None]

    def lay(start, size, space):
        """The place in its clip of every place of rows [R, K, space], and whether it has one."""
        places = jnp.arange(space) - start[..., None]
        return places, (places >= 0) & (places < size[..., None])

    # at most one clip is at a place; the sums over clips pick it
    places, inside = lay(first, length, row_frames)
    segment, position = (inside * number).sum(1), (inside * (places + 1)).sum(1)
    counter = (inside * (places + 1.0) / jnp.maximum(length, 1)[..., None]).sum(1)
    source = jnp.arange(rows)[:, None] * clips + jnp.maximum(segment - 1, 0)
    source = source * width + jnp.maximum(position - 1, 0)
    values = stores.fetch(frames.reshape(-1, frames.shape[-1]), source.reshape(-1))
    values = jnp.where((segment > 0)[..., None], values.reshape(*source.shape, -1), jnp.nan)
    places, inside = lay(word, words, row_tokens)
    same = places[..., None] == jnp.arange(text.shape[-1])
    return Batch(
        text=jnp.where(same, text[:, :, None], 0).sum((1, 3)),
        text_segment=(inside * number).sum(1),
        frames=jnp.concatenate([jnp.where(jnp.isnan(values), 0.0, values), counter[..., None]], -1),
        joint_mask=~jnp.isnan(values[..., ::3]),
        segment=segment,
        position=position,
        example=example,
    )
