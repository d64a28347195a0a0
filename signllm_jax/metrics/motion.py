"""How far and how smoothly productions move, how long they last, and which joints they show."""

import jax.numpy as jnp
from jaxtyping import Bool, Float, Int

from signllm_jax.core.typing import Array
from signllm_jax.metrics.masks import Pairs, differences, masked_mean, seen_joints, stretch_mask

COLLAPSE = 0.5  # of the reference's hand travel
RESTLESS = 1.5  # of the reference's hand travel
JERKY = 2.0  # of the reference's jerk
LONG = 1.3  # of the reference's duration, or its inverse
HIDDEN = 0.5  # of the joints that the reference shows
AVERAGED = 0.8  # of the reference's speed, both smoothed
ONE_MODE = 0.5  # of the diversity of takes
MIXED_CLIPS = 0.02  # of the clips of texts that are signed with one hand
OTHER_HAND = 0.1  # between the shares of left-handed clips


def travel(
    positions: Float[Array, "N T J 3"],
    observed: Bool[Array, "N T J"],
    n: Int[Array, " N"],
    groups: tuple[tuple[int, ...], ...],
) -> Float[Array, "N groups"]:
    """How far the joints of each group travel: the mean length of their tracks, shoulder widths.

    Only steps between two frames in which the joint is observed count. To compare two clips, take
    the masks of `common_joints`, or a take in which a hand drops out would travel less than
    another; `missing_joints` counts what only one of the two shows.

    With all 21 joints of a hand as a group (ours), finger movement counts, which is all the
    movement in fingerspelling. With the wrists alone, `((left,), (right,))`, it is the metric of
    the challenge: the ratio of the means over clips, averaged over both wrists. Source: Walsh et
    al., SLRTP2025 Sign Language Production Challenge, CVPR workshops 2025, `pose_distance` of its
    code. A production that regresses to the mean pose has a ratio near 0; below `COLLAPSE` it is
    called collapsed.
    """
    length, mask = differences(positions, seen_joints(observed, n), 1)
    track = jnp.where(mask, length, 0).sum(1)
    return jnp.stack([track[:, jnp.array(group)].mean(-1) for group in groups], -1)


def common_joints(pairs: Pairs) -> tuple[Bool[Array, "N T J"], Bool[Array, "N T J"]]:
    """The joints that both clips show at the same relative time.

    Returns:
        The masks of the reference's frames and of the production's.
    """
    seen = seen_joints(pairs.observed, pairs.n)
    shown = seen_joints(pairs.produced_observed, pairs.m)
    return (
        seen & stretch_mask(shown, pairs.m, pairs.n, seen.shape[1]),
        shown & stretch_mask(seen, pairs.n, pairs.m, shown.shape[1]),
    )


def missing_joints(pairs: Pairs) -> tuple[Float[Array, " N"], Float[Array, " N"]]:
    """What distances leave out, as shares of the joints that the reference shows in its frames.

    Returns:
        The share that the production lacks at the same relative time, and what it shows beyond
        them; NaN for an empty clip.
    """
    seen = seen_joints(pairs.observed, pairs.n)
    shown = stretch_mask(pairs.produced_observed, pairs.m, pairs.n, seen.shape[1])
    total = jnp.where((pairs.n > 0) & (pairs.m > 0), seen.sum((1, 2)), 0)
    return (seen & ~shown).sum((1, 2)) / total, (shown & ~seen).sum((1, 2)) / total


def jerk(
    positions: Float[Array, "N T J 3"],
    observed: Bool[Array, "N T J"],
    n: Int[Array, " N"],
    fps: Float[Array, " N"],
    joints: tuple[int, ...],
) -> Float[Array, " N"]:
    """The mean jerk of `joints`: the length of the third difference of their tracks.

    The mean is over steps in which all four frames show the joint, in shoulder widths per second
    cubed. Source: Flash and Hogan, The coordination of arm movements, 1985, whose criterion is its
    square.
    """
    index = jnp.array(joints)
    mask = seen_joints(observed, n)[..., index]
    return masked_mean(*differences(positions[..., index, :], mask, 3)) * fps**3


def duration_ratio(pairs: Pairs) -> Float[Array, " N"]:
    """Seconds of the production by seconds of the reference; NaN for an empty reference.

    Source: `pose_length` of the SLRTP 2025 challenge's code, there in frames at one rate.
    """
    seconds = jnp.maximum(pairs.n, 1) / pairs.fps
    return jnp.where(pairs.n > 0, (pairs.m / pairs.produced_fps) / seconds, jnp.nan)
