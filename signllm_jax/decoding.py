"""Free-running generation: patch by patch with cached keys and values, until the counter stops it.

Nothing of a reference reaches it: no length, no first frame, no counter; only text.
"""

import jax
import jax.numpy as jnp

from signllm_jax.models.text2pose import Text2Pose
from signllm_jax.typing import Array, Tree


def generate(
    model: Text2Pose, params: Tree, text: Array, max_frames: int
) -> tuple[Array, Array, Array]:
    """Produces one clip for each text of one language.

    A clip ends at the frame whose counter is nearest to 1: the first one from which half a frame
    more would reach it. The loop ends when all clips have.

    Args:
        model: the module of the group.
        params: its parameters.
        text: int32 [B, S], 0 = padding; a row of only padding gives an empty clip.
        max_frames: longest clip, a multiple of the patch.

    Returns:
        frames float32 [B, max_frames, D - 1] (0 after the end), length int32 [B], and whether a
        clip ended by its counter bool [B] (False: cut off at max_frames).
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
        "length": jnp.zeros((rows,), jnp.int32),
        "ended": empty,
    }

    def step(carry):
        index = carry["index"]
        place = jnp.full((rows, 1), index)
        mask = jnp.broadcast_to(jnp.arange(patches) <= index, (rows, 1, patches))
        frames, counter, caches = model.apply(
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
        frames, counter = frames.reshape(rows, size), counter[:, 0]
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
            "length": carry["length"] + jnp.where(running, new, 0),
            "ended": carry["ended"] | ends,
        }

    def unfinished(carry):
        return (carry["index"] < patches) & ~carry["ended"].all()

    out = jax.lax.while_loop(unfinished, step, start)
    frames = out["frames"].reshape(rows, max_frames, c.frame_size - 1)
    kept = jnp.arange(max_frames) < out["length"][:, None]
    return frames * kept[..., None], out["length"], out["ended"] & ~empty
