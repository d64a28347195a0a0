"""Free-running generation: patch by patch with cached keys and values, until the counter stops it.

A parallel decoder tells the length first and makes all patches at once.

Nothing of a reference reaches it: no length, no first frame, no counter; only text.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Int

from signllm_jax.core.typing import Array, Tree
from signllm_jax.models import generation
from signllm_jax.models.text2pose import Text2Pose
from signllm_jax.parallel import language_axis as lane_axis
from signllm_jax.parallel import sharding

WINDOW = 64  # patches that the cache holds at first


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


def compiler_options(mesh) -> dict[str, bool | str]:
    """What `jax.jit` should be told of a generation for `mesh`.

    Without the first XLA's CPU compiler copies all caches twice in every step, since it does not
    see that they are read before they are written. The second, that nothing is fused for YNNPACK,
    keeps that library from packing the weights anew in every step.
    """
    if mesh.devices.flat[0].platform != "cpu" or jax.__version_info__ >= (0, 11):
        return {}
    return {
        "xla_cpu_copy_insertion_use_region_analysis": True,
        "xla_cpu_experimental_ynn_fusion_type": "",
    }


def windows(patches: int) -> list[int]:
    """Lengths of the cache as a clip of at most so many patches grows: doubled each time.

    A loop runs on each of them, so that a patch costs what has been made, not what may be.
    """
    lengths = [min(WINDOW, patches)]
    while lengths[-1] < patches:
        lengths.append(min(2 * lengths[-1], patches))
    return lengths


def generate(
    model: Text2Pose,
    params: Tree,
    text: Int[Array, "B S"],
    max_frames: int,
    noise: Float[Array, "B draws"] | None = None,
) -> Generated:
    """Produces one clip for each text of one language; see `generate_lanes`.

    Args:
        model: the module of the group.
        params: its parameters.
        text: int32 [B, S], 0 = padding; a row of only padding gives an empty clip.
        max_frames: longest clip, a multiple of the patch.
        noise: float32 [B, draws] of models that draw; None = the most probable clips.

    Returns:
        The clips, T = max_frames.
    """
    stacked = jax.tree.map(lambda leaf: leaf[None], params)
    noise = None if noise is None else noise[None]
    made = generate_lanes(model, stacked, text[None], max_frames, noise)
    return jax.tree.map(lambda leaf: leaf[0], made)


def generate_lanes(
    model: Text2Pose,
    params: Tree,
    text: Int[Array, "L B S"],
    max_frames: int,
    noise: Float[Array, "L B draws"] | None = None,
) -> Generated:
    """Produces one clip for each text of every lane.

    A clip ends as `generation.first_end` says. Each place of the mesh's `language` axis stops by
    itself, when all its clips have ended. Lanes that share a place share its loop: with one that
    stops by itself in each of them, every step would copy all caches.

    Args:
        model: the module of the groups.
        params: their parameters [L, ...].
        text: int32 [L, B, S], 0 = padding; a row of only padding gives an empty clip.
        max_frames: longest clip, a multiple of the patch.
        noise: float32 [L, B, draws] of models that draw, see `Variety.draw`; None = the most
            probable clips.

    Returns:
        The clips, each array led by L, T = max_frames.
    """
    parallel = model.config.decoder == "parallel"
    together = functools.partial(
        _generate_at_once if parallel else _generate_together, model, max_frames
    )
    return sharding.on_own_languages(together)(sharding.gather_weights(params), text, noise)


def _generate_at_once(
    model: Text2Pose,
    max_frames: int,
    params: Tree,
    text: Int[Array, "L B S"],
    noise: Float[Array, "L B draws"] | None,
) -> Generated:
    """`generate_lanes` of the lanes that share a place, by a parallel decoder."""
    patches = max_frames // model.config.patch

    @lane_axis.lift
    def make(params, text, noise):
        memory = generation.read_text(model, params, text, noise)
        start = generation.noise_of_frames(model.config, noise)
        return generation.make_at_once(model, params, memory, patches, noise=start)

    made, spoken = make(params, text, noise), (text > 0).any(-1)
    length = made.length * spoken
    return _kept(model, made.frames, length, made.ended & spoken, made.seen)


def _generate_together(
    model: Text2Pose,
    max_frames: int,
    params: Tree,
    text: Int[Array, "L B S"],
    noise: Float[Array, "L B draws"] | None,
) -> Generated:
    """`generate_lanes` of the lanes that share a place on the mesh's `language` axis."""
    c = model.config
    lanes, rows, patches = *text.shape[:2], max_frames // c.patch
    size = c.patch * (c.frame_size - 1)
    memory = lane_axis.lift(functools.partial(generation.read_text, model))(params, text, noise)
    empty = ~(text > 0).any(-1)
    past = generation.begin(model, rows, 0)
    carry = {
        "index": jnp.zeros((), jnp.int32),
        "past": jax.tree.map(lambda x: jnp.broadcast_to(x, (lanes, *x.shape)), past),
        "frames": jnp.zeros((lanes, rows, patches, size)),
        "seen": jnp.zeros((lanes, rows, patches, size // 3), bool),
        "length": jnp.zeros((lanes, rows), jnp.int32),
        "ended": empty,
    }
    next_patch = lane_axis.hold(functools.partial(generation.next_patch, model), params, memory)

    def step(carry):
        index, before = carry["index"], carry["past"].counter
        past, patch = next_patch(carry["past"], index=index)
        ends, new = generation.first_end(patch.counter, before)
        put = jax.lax.dynamic_update_index_in_dim
        return {
            "index": index + 1,
            "past": past,
            "frames": put(carry["frames"], patch.frames, index, 2),
            "seen": put(carry["seen"], patch.seen, index, 2),
            "length": carry["length"] + jnp.where(carry["ended"], 0, new),
            "ended": carry["ended"] | ends,
        }

    for window in windows(patches):

        def unfinished(carry, window=window):
            return (carry["index"] < window) & ~carry["ended"].all()

        def grown(x, window=window):
            return jnp.pad(x, ((0, 0), (0, 0), (0, 0), (0, window - x.shape[3]), (0, 0)))

        caches = jax.tree.map(grown, carry["past"].caches)
        carry["past"] = carry["past"]._replace(caches=caches)
        carry = jax.lax.while_loop(unfinished, step, carry)
    frames = carry["frames"].reshape(lanes, rows, max_frames, c.frame_size - 1)
    seen = carry["seen"].reshape(lanes, rows, max_frames, -1)
    return _kept(model, frames, carry["length"], carry["ended"] & ~empty, seen)


def _kept(
    model: Text2Pose,
    frames: Float[Array, "L B T coords"],
    length: Int[Array, "L B"],
    ended: Bool[Array, "L B"],
    seen: Bool[Array, "L B T J"],
) -> Generated:
    """The clips without what comes after their ends."""
    kept = (jnp.arange(frames.shape[-2]) < length[..., None])[..., None]
    seen = seen & kept
    if model.config.ease:
        frames = generation.eased(frames, seen, model.config.patch, model.config.ease)
    return Generated(frames * kept, length, ended, seen)
