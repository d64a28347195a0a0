"""How far, how smoothly and how long productions move, and which joints they show.

Arguments are those of `pose_metrics`.
"""

from functools import partial

import jax
import jax.numpy as jnp

from signllm_jax.core.typing import Array
from signllm_jax.metrics.masks import masked_mean, seen_joints, stretch_mask

COLLAPSE = 0.5  # of the reference's hand travel
RESTLESS = 1.5  # of the reference's hand travel
JERKY = 2.0  # of the reference's jerk
LONG = 1.3  # of the reference's duration, or its inverse
HIDDEN = 0.5  # of the joints that the reference shows
AVERAGED = 0.8  # of the reference's speed, both smoothed
ONE_MODE = 0.5  # of the diversity of takes
MIXED_CLIPS = 0.02  # of the clips of texts that are signed with one hand
OTHER_HAND = 0.1  # between the shares of left-handed clips


@partial(jax.jit, static_argnames="groups")
def travel(
    positions: Array, observed: Array, n: Array, groups: tuple[tuple[int, ...], ...]
) -> Array:
    """How far the joints of each group went: the mean length of their tracks [N, groups].

    Only steps between two frames in which the joint is observed count. For a production, take the
    reference's mask through `stretch_mask`. Unit: shoulder widths.
    """
    mask = seen_joints(observed, n)
    mask = mask[:, 1:] & mask[:, :-1]
    step = jnp.where(mask, jnp.linalg.norm(jnp.diff(positions, axis=1), axis=-1), 0).sum(1)
    return jnp.stack([step[:, jnp.array(group)].mean(-1) for group in groups], -1)


def common_joints(
    observed: Array, produced_observed: Array, n: Array, m: Array
) -> tuple[Array, Array]:
    """The joints that both clips have at the same share of the time.

    Returns:
        bool [N, T1, J] of the reference's frames and bool [N, T2, J] of the production's.
    """
    seen, shown = seen_joints(observed, n), seen_joints(produced_observed, m)
    return (
        seen & stretch_mask(shown, m, n, observed.shape[1]),
        shown & stretch_mask(seen, n, m, produced_observed.shape[1]),
    )


@jax.jit
def missing_joints(
    observed: Array, produced_observed: Array, n: Array, m: Array
) -> tuple[Array, Array]:
    """What distances leave out: shares of the reference's observed joints, over its frames.

    Returns:
        float32 [N] that the production lacks at the same share of the time, and float32 [N] that
        it shows beyond them; NaN for an empty clip.
    """
    seen, shown = seen_joints(observed, n), stretch_mask(produced_observed, m, n, observed.shape[1])
    total = jnp.where((n > 0) & (m > 0), seen.sum((1, 2)), 0)
    return (seen & ~shown).sum((1, 2)) / total, (shown & ~seen).sum((1, 2)) / total


@partial(jax.jit, static_argnames="joints")
def jerk(positions: Array, observed: Array, n: Array, fps: Array, joints: tuple[int, ...]) -> Array:
    """The mean jerk [N] of `joints`: the length of the third difference of their tracks.

    Over steps whose four frames all have the joint; shoulder widths a second to the third. Source:
    Flash and Hogan, The coordination of arm movements, 1985, whose criterion is its square.
    """
    index = jnp.array(joints)
    difference, mask = positions[..., index, :], seen_joints(observed, n)[..., index]
    for _ in range(3):
        difference, mask = jnp.diff(difference, axis=1), mask[:, 1:] & mask[:, :-1]
    return masked_mean(jnp.linalg.norm(difference, axis=-1), mask) * fps**3


@partial(jax.jit, static_argnames="hands")
def hand_travel(
    reference: Array,
    observed: Array,
    produced: Array,
    produced_observed: Array,
    n: Array,
    m: Array,
    hands: tuple[tuple[int, ...], ...],
) -> tuple[Array, Array]:
    """Total hand travel of the production and of the reference, [N, hands] each.

    With all 21 joints of a hand (ours) finger movement counts, which is all there is in
    fingerspelling. With the wrists alone, `((left,), (right,))`, it is the challenge's: the ratio
    of the means over clips, averaged over both wrists. Source: Walsh et al., SLRTP2025 Sign
    Language Production Challenge, CVPR workshops 2025, `pose_distance` of its code. A production
    that regresses to the mean pose has a ratio near 0; under `COLLAPSE` it is called collapsed.

    Both are counted over the joints that both have at the same share of the time, or a take in
    which a hand drops out would travel less than another. What one of both lacks is for
    `missing_joints` to count.
    """
    real, made = common_joints(observed, produced_observed, n, m)
    return travel(produced, made, m, hands), travel(reference, real, n, hands)


def duration_ratio(n: Array, m: Array, fps: Array, produced_fps: Array) -> Array:
    """Seconds of the production by seconds of the reference [N]; NaN for an empty reference.

    Source: `pose_length` of the SLRTP 2025 challenge's code, there in frames at one rate.
    """
    return jnp.where(n > 0, (m / produced_fps) / (jnp.maximum(n, 1) / fps), jnp.nan)
