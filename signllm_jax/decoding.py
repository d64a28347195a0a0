"""Free-running generation: patch by patch with cached keys and values, until the counter stops it.

Nothing of a reference reaches it: no length, no first frame, no counter; only text.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from signllm_jax.models.text2pose import Text2Pose
from signllm_jax.typing import Array, Tree


class Generated(NamedTuple):
    """Clips as the model makes them.

    Attributes:
        frames: float32 [B, T, D - 1], 0 after a clip's end.
        length: int32 [B].
        ended: bool [B], whether a clip ended by its counter; False: cut off at the longest length.
        seen: bool [B, T, J], the joints that are shown.
    """

    frames: Array
    length: Array
    ended: Array
    seen: Array


def generate(model: Text2Pose, params: Tree, text: Array, max_frames: int) -> Generated:
    """Produces one clip for each text of one language.

    A clip ends at the frame whose counter is nearest to 1: the first one from which half a frame
    more would reach it. The loop ends when all clips have.

    Args:
        model: the module of the group.
        params: its parameters.
        text: int32 [B, S], 0 = padding; a row of only padding gives an empty clip.
        max_frames: longest clip, a multiple of the patch.

    Returns:
        The clips, T = max_frames.
    """
    c = model.config
    rows, patches = text.shape[0], max_frames // c.patch
    size = c.patch * (c.frame_size - 1)
    segment = (text > 0).astype(jnp.int32)
    memory = model.apply({"params": params}, text, segment, method="encode")
    empty = ~segment.any(-1)
    cache = jnp.zeros((rows, patches, c.heads, c.width // c.heads), model.dtype)
    start = {
        "index": jnp.zeros((), jnp.int32),
        "history": jnp.zeros((rows, size)),
        "counter": jnp.zeros((rows,)),
        "caches": tuple((cache, cache) for _ in range(c.decoder_layers)),
        "frames": jnp.zeros((rows, patches, size)),
        "seen": jnp.zeros((rows, patches, size // 3), bool),
        "length": jnp.zeros((rows,), jnp.int32),
        "ended": empty,
    }

    def step(carry):
        index = carry["index"]
        place = jnp.full((rows, 1), index)
        mask = jnp.broadcast_to(jnp.arange(patches) <= index, (rows, 1, patches))
        predicted, caches = model.apply(
            {"params": params},
            memory,
            carry["history"][:, None],
            carry["counter"][:, None],
            jnp.ones((rows, 1), jnp.int32),
            place,
            mask,
            carry["caches"],
            index,
            method="decode",
        )
        frames, counter = predicted.frames.reshape(rows, size), predicted.counter[:, 0]
        seen = predicted.seen.reshape(rows, size // 3) > 0
        before = jnp.concatenate([carry["counter"][:, None], counter[:, :-1]], 1)
        reached = counter + 0.5 * jnp.maximum(counter - before, 0) >= 1
        ends = reached.any(1)
        new = jnp.where(ends, jnp.argmax(reached, 1) + 1, c.patch)
        running = ~carry["ended"]
        return {
            "index": index + 1,
            "history": frames,
            "counter": counter[:, -1],
            "caches": caches,
            "frames": jax.lax.dynamic_update_index_in_dim(carry["frames"], frames, index, 1),
            "seen": jax.lax.dynamic_update_index_in_dim(carry["seen"], seen, index, 1),
            "length": carry["length"] + jnp.where(running, new, 0),
            "ended": carry["ended"] | ends,
        }

    def unfinished(carry):
        return (carry["index"] < patches) & ~carry["ended"].all()

    out = jax.lax.while_loop(unfinished, step, start)
    frames = out["frames"].reshape(rows, max_frames, c.frame_size - 1)
    seen = out["seen"].reshape(rows, max_frames, -1)
    kept = (jnp.arange(max_frames) < out["length"][:, None])[..., None]
    return Generated(frames * kept, out["length"], out["ended"] & ~empty, seen & kept)
