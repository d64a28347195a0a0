"""The Priority Learning Channel in the train step: the buffer lifted over lanes and strata.

A stratum has its rows of every batch, in the order of the data and then by priority, its clips in
the buffer and its key. Strata lie along the rows' mesh axes; none ever needs another.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from signllm_jax.core.config import Config
from signllm_jax.core.typing import Array, Batch, Tree
from signllm_jax.parallel import memory_layout, sharding
from signllm_jax.rl import replay as buffer
from signllm_jax.rl import sampling
from signllm_jax.rl.clips import Clips, cut
from signllm_jax.rl.replay import Replay
from signllm_jax.rl.sampling import RowShape


def clip_shape(config: Config) -> tuple[int, int]:
    """F and S: the longest clip and text that the buffer takes."""
    rl, data = config.rl, config.data
    return (
        min(rl.clip_frames or data.row_frames, data.row_frames),
        min(rl.clip_tokens or data.row_tokens, data.row_tokens),
    )


def init(config: Config, lanes: int) -> Replay | None:
    """Empty buffers [L, strata, ...]; None when `rl.plc` is off."""
    if not config.rl.plc:
        return None
    strata = config.rl.strata
    size = config.model.frame_size
    grouped = config.rl.group != "none"
    empty = buffer.init(config.rl.capacity // strata, *clip_shape(config), size, grouped)
    return jax.tree.map(lambda x: jnp.broadcast_to(x, (lanes, strata, *x.shape)), empty)


def specs(replay: Replay | None) -> Tree:
    """PartitionSpecs of buffers [L, strata, ...]: lanes over `language`, strata as rows are.

    The same structure as `replay`, and None where there is none.
    """
    return jax.tree.map(lambda _: sharding.partition_spec(("language", "rows")), replay)


def host_rows(config: Config) -> Int[Array, " rows"]:
    """Numbers of the rows of a batch that come from the host, int64 [cyclic rows], in its order.

    The rows of a stratum lie together, those from the host before those drawn by priority; without
    a buffer all rows come from the host.
    """
    strata = config.rl.strata if config.rl.plc else 1
    rows = np.arange(config.train.batch_size).reshape(strata, -1)
    return rows[:, : config.batch_rows[0] // strata].reshape(-1)


def begin(
    replay: Replay, batch: Batch | None, key: Array, step: Int[Array, ""] | int, config: Config
) -> tuple[Replay, Batch, Int[Array, "B K"], Float[Array, "B K"]]:
    """Puts what came from the host into a lane's buffer and draws what goes with it.

    To be mapped by `sharding.on_own_rows`: a device has strata and rows of its own.

    Args:
        replay: of the lane, [strata, ...].
        batch: the rows in the order of the data, [B - priority rows, ...]; None = they too come
            from the buffer, in turn.
        key: of step and lane.
        step: int32 [].
        config: the run's.

    Returns:
        The buffer, the Batch [B, ...] (prompts are of the `host_rows` only), the slot int32 [B, K]
        of every clip in its stratum (C = none) and its importance float32 [B, K].
    """
    strata, data = len(replay.example), config.data
    cyclic, priority = (rows // config.rl.strata for rows in config.batch_rows)
    shape = RowShape(data.row_frames, data.row_tokens, data.row_clips, config.model.patch)

    def of_stratum(replay, batch, key):
        if batch is None:
            replay, clean, slots = sampling.sweep(replay, cyclic, shape)
        else:
            seen = buffer.unobserved_to_nan(batch.frames[..., :-1], batch.joint_mask)
            replay, slots = buffer.add(replay, cut(batch, seen, *clip_shape(config)))
            clean, slots = without_nan(batch)._replace(group=None), slots.reshape(cyclic, -1)
        replay, drawn, drawn_slots, weight = sampling.sample(
            replay, step, key, priority, shape, config.rl
        )
        whole = jax.tree.map(lambda *parts: jnp.concatenate(parts), clean, drawn)
        weight = jnp.concatenate([jnp.ones(slots.shape), weight])
        return replay, whole, jnp.concatenate([slots, drawn_slots]), weight

    prompts = None
    if batch is not None:  # prompts stay with the rows that came from the host
        batch, prompts = memory_layout.lay(batch, ("frames",))._replace(prompts=None), batch.prompts
    first = sharding.row_block() * strata
    keys = jax.vmap(lambda n: jax.random.fold_in(key, n))(first + jnp.arange(strata))
    split = lambda x: x.reshape(strata, cyclic, *x.shape[1:])  # noqa: E731
    parts = jax.vmap(of_stratum)(replay, batch and jax.tree.map(split, batch), keys)
    merge = lambda x: x.reshape(-1, *x.shape[2:])  # noqa: E731
    whole, slots, weight = jax.tree.map(merge, parts[1:])
    return parts[0], memory_layout.lay(whole)._replace(prompts=prompts), slots, weight


def without_nan(batch: Batch) -> Batch:
    """Rows whose clips with a number that is not finite have become padding.

    They get no error, and are quarantined for it; one bad clip does not end the training.
    """
    sound = jnp.isfinite(batch.frames).all(-1)
    inside = batch.segment[..., None] == jnp.arange(1, batch.example.shape[1] + 1)
    kept = ((sound[..., None] | ~inside).all(1, keepdims=True) & inside).any(-1)
    return batch._replace(
        frames=jnp.where(kept[..., None], batch.frames, 0.0),
        joint_mask=batch.joint_mask & kept[..., None],
        segment=jnp.where(kept, batch.segment, 0),
        position=jnp.where(kept, batch.position, 0),
    )


def finish(
    replay: Replay, slots: Int[Array, "B K"], error: Float[Array, "..."], step: Int[Array, ""] | int
) -> Replay:
    """Stores the errors [B, K] of a lane's clips in the strata of its buffer."""
    split = lambda x: x.reshape(len(replay.example), -1)  # noqa: E731
    return jax.vmap(buffer.update, (0, 0, 0, None))(replay, split(slots), split(error), step)


def rescore(
    replay: Replay, errors: Callable[[Clips], Array], step: Int[Array, ""] | int, config: Config
) -> Replay:
    """Measures anew the next `rl.rollout_clips` of every stratum of a lane, in turn.

    Args:
        replay: of the lane, [strata, ...].
        errors: from Clips of N to float32 [N], free-running.
        step: int32 [].
        config: the run's.
    """
    count = config.rl.rollout_clips

    def chosen(replay):
        filled = jnp.clip(replay.inserted, 1, len(replay.example))
        slot = (step * count + jnp.arange(count)) % filled
        frames = replay.frames_at(slot).astype(jnp.float32)
        real = jnp.arange(frames.shape[1]) < replay.length[slot][:, None]
        clips = Clips(
            replay.text[slot],
            jnp.where(jnp.isnan(frames), 0.0, frames),
            ~jnp.isnan(frames[..., ::3]) & real[..., None],
            replay.length[slot],
            replay.example[slot],
        )
        return jnp.where(clips.example >= 0, slot, len(replay.example)), clips

    slots, clips = jax.vmap(chosen)(replay)
    merged = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), clips)
    return finish(replay, slots, errors(merged), step)


def summary(replay: Replay) -> dict[str, Float[Array, " L"]]:
    """What the log says of the buffers: `replay_*` float32 [L]. Not part of the step."""
    counts = jax.vmap(jax.vmap(buffer.summary))(replay)
    return {f"replay_{k}": v.sum(1).astype(jnp.float32) for k, v in counts.items()}


def without_clips(state):
    """The train state as it is saved: without the buffer's frames and texts."""
    if state.replay is None:
        return state
    return dataclasses.replace(
        state, replay=dataclasses.replace(state.replay, frames=None, text=None)
    )


def with_clips(state, like: Replay | None, clip: Callable[[int, int], tuple]):
    """The restored train state with the frames and texts of its buffer, read again.

    Args:
        state: as `without_clips` left it.
        like: shapes, types and shardings of the whole buffer; None where there is none.
        clip: from (lane, example) to tokens, frames [T, D] and mask [T, J].
    """
    if like is None:
        return state
    replay = state.replay
    held = {
        _box(shard.index, replay.example.shape): np.asarray(shard.data)
        for shard in replay.example.addressable_shards
    }

    def fill(index, shape, dtype, value):
        box = _box(index, shape)
        block = np.zeros([stop - start for start, stop in box], dtype)
        for at in map(tuple, np.argwhere(held[box[:3]] >= 0)):
            lane, example = box[0][0] + at[0], held[box[:3]][at]
            value(block[at], *clip(int(lane), int(example)))
        return block

    def frames(row, ids, values, mask):
        clip = np.full(like.clip, np.nan)
        clip[: len(values)] = np.where(np.repeat(mask, 3, -1), values[:, :-1], np.nan)
        row.reshape(-1)[: clip.size] = clip.reshape(-1)

    def text(row, ids, values, mask):
        row[: len(ids)] = ids

    def read(leaf, value):
        return jax.make_array_from_callback(
            leaf.shape, leaf.sharding, lambda index: fill(index, leaf.shape, leaf.dtype, value)
        )

    filled = dataclasses.replace(
        replay, frames=read(like.frames, frames), text=read(like.text, text)
    )
    return dataclasses.replace(state, replay=filled)


def _box(index, shape) -> tuple[tuple[int, int], ...]:
    index = tuple(index) + (slice(None),) * (len(shape) - len(index))
    return tuple(part.indices(size)[:2] for part, size in zip(index, shape))


def host_steps(config: Config, data: Any, steps: int) -> int:
    """Number of steps, of `steps`, that take a batch from the host: all, or those that fill it.

    Args:
        config: Config of the run.
        data: Train batches; `TrainData.first_pass` is asked where the buffer is resident.
        steps: Number of training steps.

    Raises ConfigError when a resident buffer cannot hold the train clips.
    """
    if not (config.rl.plc and config.rl.resident):
        return steps
    capacity = config.rl.capacity // config.rl.strata
    return min(steps, data.first_pass(capacity, *clip_shape(config)))
