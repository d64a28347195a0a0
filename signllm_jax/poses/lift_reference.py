"""The original 2D-to-3D lift of Prompt2Sign, stage by stage, faults included.

Source: tools/2D_to_3D of the Prompt2Sign repository, after Zelinka and Kanis, "Neural Sign Language
Synthesis: Words Are Our Glosses" (WACV 2020). Stages: normalize the picture, empty bad frames, fill
gaps by confidence, start in closed form from median bone lengths, refine by 1000 steps of gradient
descent. All arrays are joint-major [J, T] and padded in time; `frames` is the number of frames
without padding.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from signllm_jax.core.typing import Array
from signllm_jax.poses import tree
from signllm_jax.poses.tree import JOINTS, Pose

UPPER_BODY = slice(0, 8)
PRUNE_BELOW = 0.3  # mean confidence of the upper body under which a frame is emptied
ENOUGH = 0.99  # confidence that a filled point gathers from its neighbors in time
LONG, WIDEST = 4096, 1024  # frames: growing windows cost the square of the number of frames
ROOT_NOISE = 0.001  # the original shakes its root by this much, from a fixed seed
STEPS = 1000
RATE = 0.1
LENGTH_WEIGHT = 0.001
MOTION_WEIGHT = 0.1


def normalize(x: Array, y: Array, frames: Array) -> tuple[Array, Array]:
    """Centers x and y each on its mean and divides both by their common deviation.

    Missing points count as (0, 0), and the deviation is about the common mean of x and y: these
    faults of the original are kept. `x`, `y`: [J, T] pixels.
    """
    inside = jnp.arange(x.shape[1]) < frames
    count = frames * JOINTS
    x, y = jnp.where(inside, x, 0.0), jnp.where(inside, y, 0.0)
    mean_x, mean_y = x.sum() / count, y.sum() / count
    center = (mean_x + mean_y) / 2
    squares = jnp.where(inside, (x - center) ** 2 + (y - center) ** 2, 0.0).sum()
    deviation = jnp.sqrt(jnp.maximum(squares / (2 * count), 1e-10))
    return (
        jnp.where(inside, (x - mean_x) / deviation, 0.0),
        jnp.where(inside, (y - mean_y) / deviation, 0.0),
    )


def prune(x: Array, y: Array, weight: Array) -> tuple[Array, Array, Array]:
    """Empties frames whose upper body is seen with a mean confidence under 0.3; all [J, T]."""
    keep = weight[UPPER_BODY].mean(axis=0) >= PRUNE_BELOW
    return jnp.where(keep, x, 0.0), jnp.where(keep, y, 0.0), jnp.where(keep, weight, 0.0)


def interpolate(x: Array, y: Array, weight: Array, frames: Array) -> tuple[Array, Array]:
    """Replaces each point by a weighted mean over the narrowest window around it.

    The window grows by a frame on both sides until it holds a confidence of 0.99. A joint that is
    never seen becomes 0. All [J, T]; the confidence itself stays as it is, like the original's.
    Beyond LONG frames, unlike in the original, it grows to WIDEST frames and then to all frames.
    """
    long = x.shape[1] > LONG
    widest = jnp.minimum(frames, WIDEST) if long else frames
    padding = [(0, 0), (x.shape[1], x.shape[1])]
    sources = tuple(jnp.pad(part, padding) for part in (weight, weight * x, weight * y))
    hopeless = weight.sum(axis=1, keepdims=True) <= 0

    def wanting(total):
        return (total < ENOUGH) & ~hopeless

    def grow(carry):
        reach, sums = carry

        def neighbors(source, total):
            for shift in (reach, -reach):
                start = x.shape[1] + shift
                total += jax.lax.dynamic_slice_in_dim(source, start, x.shape[1], axis=1)
            return total

        more = wanting(sums[0])
        grown = tuple(neighbors(source, total) for source, total in zip(sources, sums))
        return reach + 1, tuple(jnp.where(more, new, old) for new, old in zip(grown, sums))

    def going(carry):
        reach, sums = carry
        return (reach < widest) & wanting(sums[0]).any()

    parts = (weight, weight * x, weight * y)
    _, sums = jax.lax.while_loop(going, grow, (1, parts))
    if long:
        still = wanting(sums[0])
        sums = [jnp.where(still, part.sum(1, keepdims=True), s) for part, s in zip(parts, sums)]
    total, sum_x, sum_y = sums
    total = jnp.where(total <= 0, 1e-10, total)
    return sum_x / total, sum_y / total


def median_log_lengths(x: Array, y: Array, frames: Array) -> Array:
    """The logarithm of each bone's median length in the picture, both sides pooled: [25]."""
    length = jnp.sqrt((x - x[tree.PARENT]) ** 2 + (y - y[tree.PARENT]) ** 2)
    length = jnp.where(jnp.arange(x.shape[1]) < frames, length, jnp.inf)
    pooled = length[tree.BONES_OF]  # [25, 2, T]
    single = (tree.BONE_COUNT == 1)[:, None]
    pooled = pooled.at[:, 1].set(jnp.where(single, jnp.inf, pooled[:, 1]))
    ordered = jnp.sort(pooled.reshape(tree.LENGTHS, -1), axis=1)
    middle = (frames * tree.BONE_COUNT - 1) // 2  # the lower of two middle values
    median = jnp.take_along_axis(ordered, middle[:, None], axis=1)[:, 0]
    return jnp.log(jnp.maximum(median, 1e-6))


def start(x: Array, y: Array, frames: Array, noise: Array) -> Pose:
    """The first guess: bones of median length, laid to the points of the picture one by one.

    A bone that looks shorter than its length leans to the viewer until it has that length; one
    that looks longer lies in the picture. The original tries five hypotheses for each bone and
    keeps the nearest, which is this closed form; trying them under `jit` would mix hypotheses
    that are equal up to rounding.

    Args:
        x, y: [J, T], the filled points.
        frames: number of frames without padding.
        noise: [3, T], added to the root.

    Returns:
        The tree, its directions of norm 1.
    """
    log_lengths = median_log_lengths(x, y, frames)
    lengths = jnp.exp(log_lengths)[tree.LENGTH_OF[tree.LEVEL_JOINTS]][..., None]
    root = (x[0] + noise[0], y[0] + noise[1], noise[2])

    def lay(parents, level):
        target_x, target_y, length, slots = level
        parents = parents[:, slots]
        across, down = target_x - parents[0], target_y - parents[1]
        seen = jnp.sqrt(across**2 + down**2)
        depth = jnp.sqrt(jnp.maximum((length - seen) * (length + seen), 0.0))
        # a bone without length in the picture gets the original's arbitrary direction
        bone = jnp.where(seen > 0, jnp.stack([across, down, depth]), 1.0)
        bone = bone.at[2].add(0.001)
        unit = bone / (jnp.sqrt((bone**2).sum(axis=0)) + 1e-10)
        return parents + length * unit, unit

    first = jnp.broadcast_to(jnp.stack(root)[:, None], (3, tree.LEVEL_JOINTS.shape[1], x.shape[1]))
    targets = (x[tree.LEVEL_JOINTS], y[tree.LEVEL_JOINTS], lengths, tree.LEVEL_PARENTS)
    _, units = jax.lax.scan(lay, first, targets)  # [levels, 3, slots, T]
    units = jnp.moveaxis(units, 1, 0).reshape(3, -1, x.shape[1])[:, tree.LEVEL_SLOT]
    along_x, along_y, along_z = units.at[:, 0].set(jnp.stack(root))
    return Pose(along_x, along_y, along_z, log_lengths)


def neighbor_masks(size: int, frames: Array) -> tuple[Array, Array]:
    """Float [T] masks: 1 for frames that have a frame before them, and after them."""
    time = jnp.arange(size)
    before = (time > 0) & (time < frames)
    return before.astype(jnp.float32), (time < frames - 1).astype(jnp.float32)


def objective(
    pose: Pose,
    x: Array,
    y: Array,
    weight: Array,
    frames: Array,
    depth_weight: float = MOTION_WEIGHT,
) -> Array:
    """What the original minimizes: distance to the picture, bone lengths, motion of the joints.

    Args:
        pose: the tree, [J, T].
        x, y, weight: [J, T], the points of the picture and their confidence (0 in padding).
        frames: number of frames without padding.
        depth_weight: weight of motion in depth; by default that of motion in the picture.

    Returns:
        A scalar.
    """
    position = tree.joint_positions(pose)
    fit = jnp.sum(weight * ((position[0] - x) ** 2 + (position[1] - y) ** 2))
    before, _ = neighbor_masks(x.shape[1], frames)
    travel = sum(
        cost * jnp.sum((part[:, 1:] - part[:, :-1]) ** 2 * before[1:])
        for part, cost in zip(position, (MOTION_WEIGHT, MOTION_WEIGHT, depth_weight))
    )
    return (
        fit / (frames * JOINTS)
        + LENGTH_WEIGHT * jnp.exp(pose.log_lengths).sum()
        + travel / (jnp.maximum(frames - 1, 1) * JOINTS)
    )


def make_gradient(
    x: Array, y: Array, weight: Array, frames: Array, depth_weight: float = MOTION_WEIGHT
) -> Callable[[Pose], Pose]:
    """Returns the gradient of `objective` with respect to the tree; arguments as there.

    It is written out: XLA pads and scatters in the automatic gradient, which takes a third more
    time to run and twice as much to compile.
    """
    before, after = neighbor_masks(x.shape[1], frames)
    pull = 2 * weight / (frames * JOINTS)
    pairs = jnp.maximum(frames - 1, 1) * JOINTS
    stiffness, depth_stiffness = 2 * MOTION_WEIGHT / pairs, 2 * depth_weight / pairs
    every_frame = jnp.ones(x.shape[1])

    def side_by_side(along_tree, parts):  # one product for all three axes is faster than three
        return jnp.split(along_tree(jnp.concatenate(parts, axis=1)), 3, axis=1)

    def motion(part):
        wide = jnp.concatenate([part[:, :1], part, part[:, -1:]], axis=1)
        return (part - wide[:, :-2]) * before + (part - wide[:, 2:]) * after

    def gradient(pose):
        inverse, scale = tree.bone_scale(pose)
        position = side_by_side(tree.accumulate, [part * scale for part in pose[:3]])
        force = [
            stiffness * motion(position[0]) + pull * (position[0] - x),
            stiffness * motion(position[1]) + pull * (position[1] - y),
            depth_stiffness * motion(position[2]),
        ]
        force = side_by_side(tree.gather, force)
        # along the bone a force changes its length, across the bone its direction
        along = sum(part * push for part, push in zip(pose[:3], force)) * inverse * tree.IS_BONE
        turn = inverse * along
        by_length = tree.SELECT @ (along @ every_frame) + LENGTH_WEIGHT
        by_x, by_y, by_z = (scale * (push - turn * part) for part, push in zip(pose[:3], force))
        return Pose(by_x, by_y, by_z, jnp.exp(pose.log_lengths) * by_length)

    return gradient


def refine(pose: Pose, x: Array, y: Array, weight: Array, frames: Array) -> Pose:
    """Runs the original's 1000 steps of gradient descent on `objective`; shapes as there."""
    gradient = make_gradient(x, y, weight, frames)

    def step(_, pose):
        return jax.tree.map(lambda part, slope: part - RATE * slope, pose, gradient(pose))

    return jax.lax.fori_loop(0, STEPS, step, pose)


def root_noise(frames: int) -> np.ndarray:
    """The original's seeded noise on the root: float32 [3, frames]."""
    generator = np.random.RandomState(1234)
    return generator.uniform(-ROOT_NOISE, ROOT_NOISE, (3, frames)).astype(np.float32)


class Prepared(NamedTuple):
    """The stages before the refinement; arrays [3, J, T] are x, y and weight.

    Attributes:
        normalized, pruned, filled: float32 [3, J, T], stage after stage.
        start: the first guess.
    """

    normalized: Array
    pruned: Array
    filled: Array
    start: Pose


@jax.jit
def prepare(keypoints: Array, noise: Array, frames: Array) -> Prepared:
    """Everything up to the refinement.

    Args:
        keypoints: float32 [3, J, T], x and y in pixels and confidence, 0 in padding.
        noise: float32 [3, T] from `root_noise`.
        frames: int32, number of frames without padding.

    Returns:
        Every stage, padded like the keypoints.
    """
    x, y, weight = keypoints
    normal_x, normal_y = normalize(x, y, frames)
    pruned = prune(normal_x, normal_y, weight)
    filled = (*interpolate(*pruned, frames), pruned[2])
    return Prepared(
        jnp.stack([normal_x, normal_y, weight]),
        jnp.stack(pruned),
        jnp.stack(filled),
        start(filled[0], filled[1], frames, noise),
    )


@jax.jit
def refined(pose: Pose, filled: Array, frames: Array) -> tuple[Array, Pose]:
    """The joint positions [3, J, T] after `refine`, and the tree; shapes as in `prepare`."""
    x, y, weight = filled
    final = refine(pose, x, y, weight, frames)
    return jnp.stack(tree.joint_positions(final)), final
