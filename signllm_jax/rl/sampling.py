"""Drawing from the replay buffer: by priority, or in turn.

`P(i) = p(i)^eta / sum_j p(j)^eta` of the paper, where p is the quality of `rl.reward`; clips whose
p is below a threshold are skipped. Strata follow from the config and not from the mesh, so draws
are the same on every mesh, and a stratum lies on one device, so that drawing moves no byte. With
one stratum P is the global one.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, UInt

from signllm_jax.core.config import RLConfig
from signllm_jax.core.typing import Array, Batch
from signllm_jax.rl import clips as packing
from signllm_jax.rl import stores
from signllm_jax.rl.replay import LANES, NONE, Replay
from signllm_jax.rl.reward import group_medians, log_quality, median_error

LOWEST = -126.0  # log2 of the smallest priority: that of a perfect clip where errors are sought
LEVELS = 1 << 24  # of a weight: integers, so that sums are exact and the same everywhere


@dataclasses.dataclass(frozen=True)
class RowShape:
    """The rows that drawn clips are packed into: T frames, S tokens, K clips, patch P."""

    frames: int
    tokens: int
    clips: int
    patch: int


def log_priority(replay: Replay, step: Int[Array, ""] | int, rl: RLConfig) -> Float[Array, " C"]:
    """log2 of every clip's p, float32 [C]; -inf for an empty slot and a quarantined clip.

    p is in 0..1 and 0.5 in the middle: the quality (`high_reward`, the paper), one minus it
    (`high_error`), or the quality against the clip's own error before (`learning_progress`).
    The middle is that of all clips, or of the clip's group (`rl.group`). A clip that was not
    measured yet counts as the median, and the error of one that was not seen
    for long fades towards it, by half every `rl.half_life` steps.
    """
    if replay.group is None:
        median = median_error(replay.error)
    else:
        median = group_medians(replay.error, replay.group)
    known = jnp.isfinite(replay.error)
    error = jnp.where(known, replay.error, median)
    if rl.direction == "learning_progress":
        before = jnp.where(jnp.isfinite(replay.previous), replay.previous, error)
        error, median = error / jnp.maximum(before, jnp.finfo(jnp.float32).tiny), 1.0
    if rl.half_life:
        error = median + (error - median) * jnp.exp2(-(step - replay.seen_step) / rl.half_life)
    priority = log_quality(error, median)
    if rl.direction == "high_error":
        priority = jnp.log2(-jnp.expm1(jnp.log(2.0) * priority))
    allowed = (replay.example >= 0) & ~jnp.isposinf(replay.error)
    return jnp.where(allowed, jnp.maximum(priority, LOWEST), -jnp.inf)


def reweight(replay: Replay, step: Int[Array, ""] | int, rl: RLConfig) -> Int[Array, " C"]:
    """Weights proportional to P(i), as integers [C] whose sum is below 2^31.

    Integers make the cumulative sum exact: a clip of weight 0 is never drawn, and every mesh draws
    the same. Nothing is drawn (all are 0) from a buffer in which no clip reaches the threshold.
    """
    priority = log_priority(replay, step, rl)
    allowed = jnp.isfinite(priority) & (priority >= jnp.log2(jnp.float32(rl.threshold)))
    power = jnp.where(allowed, rl.eta * priority, -jnp.inf)
    highest = jnp.max(power)
    levels = min(((1 << 31) - 1) // len(priority), LEVELS)
    share = jnp.exp2(power - jnp.where(jnp.isfinite(highest), highest, 0.0))
    return jnp.round(share * levels).astype(jnp.int32)


def draw(weights: Int[Array, " C"], key: Array, count: int) -> Int[Array, " count"]:
    """`count` independent draws from integer weights [C], with replacement.

    Returns:
        Slots int32 [count]; -1 where all weights are 0.
    """
    total = weights.sum()
    # not `randint`, which is a plain modulo for spans above 2^16, hence biased
    target = _high_product(jax.random.bits(key, (count,)), total.astype(jnp.uint32))
    within, before = _cumulative(weights)
    passed = within + before[:, None] <= target.astype(jnp.int32)[:, None, None]
    return jnp.where(total > 0, passed.sum((1, 2)), NONE).astype(jnp.int32)


def _cumulative(weights: Int[Array, " C"]) -> tuple[Int[Array, "parts 128"], Int[Array, " parts"]]:
    """The cumulative sum of integers [C], in parts of 128: fewer operations of a TPU than `cumsum`.

    Returns:
        That within each part int32 [parts, 128], padded by zeros, and what comes before each part
        int32 [parts].
    """
    parts = jnp.pad(weights, (0, -len(weights) % LANES)).reshape(-1, LANES)
    number, part = np.arange(LANES), np.arange(len(parts))
    within = jnp.where(number <= number[:, None], parts[:, None], 0).sum(-1)
    before = jnp.where((part < part[:, None])[..., None], parts, 0).sum((1, 2))
    return within, before


def _high_product(a: UInt[Array, "..."], b: UInt[Array, ""]) -> UInt[Array, "..."]:
    """floor(a * b / 2^32) of uint32 numbers: uniform in 0..b - 1 when a is over all."""
    low, high = a & 0xFFFF, a >> 16
    b_low, b_high = b & 0xFFFF, b >> 16
    across, down = low * b_high, high * b_low
    middle = (low * b_low >> 16) + (across & 0xFFFF) + (down & 0xFFFF)
    return high * b_high + (across >> 16) + (down >> 16) + (middle >> 16)


def sweep(replay: Replay, rows: int, shape: RowShape) -> tuple[Replay, Batch, Int[Array, "R K"]]:
    """The cyclic share from the buffer itself: packs the clips whose turn it is.

    Each of the clips that were ever inserted is visited once in a period.

    Returns:
        The buffer, a Batch [R, ...] and the slot int32 [R, K] of every packed clip (C = none).
    """
    filled = jnp.minimum(replay.inserted, len(replay.example))
    turn = jnp.arange(rows * shape.clips)
    slot = jnp.where(turn < filled, (replay.swept + turn) % jnp.maximum(filled, 1), NONE)
    batch, slots, first = gather(replay, slot.astype(jnp.int32), rows, shape)[:3]
    taken = jnp.minimum(first, filled)
    return dataclasses.replace(replay, swept=replay.swept + taken), batch, slots


def importance(
    weights: Int[Array, " C"], slot: Int[Array, " N"], beta: float
) -> Float[Array, " N"]:
    """Importance weights [N] of drawn slots: `(P_min / P)^beta`, 1 for beta 0 (the paper).

    They are `(C P)^-beta` divided by their largest, as in prioritized experience replay (Schaul
    et al. 2016, section 3.4), over the clips that can be drawn.
    """
    smallest = jnp.min(jnp.where(weights > 0, weights, jnp.iinfo(jnp.int32).max))
    weight = jnp.maximum(stores.pick(weights, slot), 1)
    return jnp.where(slot >= 0, (smallest / weight) ** beta, 1.0).astype(jnp.float32)


def sample(
    replay: Replay, step: Int[Array, ""] | int, key: Array, rows: int, shape: RowShape, rl: RLConfig
) -> tuple[Replay, Batch, Int[Array, "R K"], Float[Array, "R K"]]:
    """Draws clips by priority and packs them into rows.

    The draw that finds no room is deferred: it comes first in the next step. What was drawn
    after it has not been looked at, so what is trained on follows P exactly.

    Args:
        replay: of a stratum.
        step: int32 [].
        key: of this step, language and stratum.
        rows: R.
        shape: of a row.
        rl: `eta`, `threshold`, `beta`, `direction`, `half_life`.

    Returns:
        The buffer, a Batch [R, ...], the slot int32 [R, K] of every packed clip (C = none) and
        its importance weight float32 [R, K].
    """
    weights = reweight(replay, step, rl)
    drawn = draw(weights, key, rows * shape.clips)
    # one drawn before that is still there comes first
    waiting = (replay.deferred >= 0) & (stores.pick(weights, replay.deferred[None])[0] > 0)
    slot = jnp.where(waiting, jnp.concatenate([replay.deferred[None], drawn[:-1]]), drawn)
    batch, slots, first, at = gather(replay, slot, rows, shape)
    put_off = first < len(slot)
    replay = dataclasses.replace(
        replay,
        deferred=jnp.where(put_off, stores.pick(slot, first[None])[0], NONE),
        deferrals=replay.deferrals + put_off,
    )
    match = at == jnp.arange(slots.size)[:, None]
    weight = jnp.where(match, importance(weights, slot, rl.beta), 0.0).sum(-1)
    weight = jnp.where(match.any(-1), weight, 1.0)
    return replay, batch, slots, weight.reshape(slots.shape)


def gather(
    replay: Replay, slot: Int[Array, " N"], rows: int, shape: RowShape
) -> tuple[Batch, Int[Array, "R K"], Int[Array, ""], Int[Array, " N"]]:
    """Packs the clips of slots [N] (-1 = none) in their order.

    Returns:
        A Batch [R, ...], the slot int32 [R, K] of every packed clip (C = none), how many of the
        N were looked at, and where in the R * K each of them is (R * K = nowhere).
    """
    capacity, text = len(replay.example), stores.fetch(replay.text, slot)
    length, words = stores.pick(replay.length, slot), (text > 0).sum(-1)
    padded = stores.pick(-(-replay.length // shape.patch) * shape.patch, slot)
    kind = np.arange(3)[:, None]  # not `stack`, which is an operation for each
    sizes = jnp.where(kind == 0, padded, jnp.where(kind == 1, words, 1))
    sizes = jnp.where(length > 0, sizes, 0)
    places, first = packing.place(
        sizes, rows=rows, frames=shape.frames, tokens=shape.tokens, clips=shape.clips
    )
    at = jnp.where(places.row < rows, places.row * shape.clips + places.number, rows * shape.clips)
    match = at == jnp.arange(rows * shape.clips)[:, None]

    def put(values):
        """Of each clip [N], to its place [R, K]; 0 where there is none."""
        return jnp.where(match, values, 0).sum(-1).reshape(rows, shape.clips)

    slots = put(slot - capacity) + capacity
    batch = packing.pack(
        replay.frames_at(slots).astype(jnp.float32),
        jnp.where(match[..., None], text, 0).sum(1).reshape(rows, shape.clips, -1),
        put(length),
        put(words),
        put(stores.pick(replay.example, slot) + 1) - 1,
        put(places.frame),
        put(places.token),
        row_frames=shape.frames,
        row_tokens=shape.tokens,
    )
    return batch, slots, first, at
