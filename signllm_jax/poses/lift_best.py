"""The default lift: anatomy for bone lengths, smooth depth, Adam instead of gradient descent.

It keeps the original's tree, objective and filling of gaps (`lift_reference`) and changes what made
its poses flat and shaky. Bone lengths are not medians but upper quantiles over confident frames (a
bone is never shorter than it looks), bounded in shoulder widths. The lean of a bone is averaged
over time and never quite 0. Motion in depth costs more. Adam gets further in 100 steps than
gradient descent in 1000. All arrays are joint-major [J, T] in shoulder widths, padded in time.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from signllm_jax.core.typing import Array
from signllm_jax.poses import tree
from signllm_jax.poses.lift_reference import interpolate, make_gradient
from signllm_jax.poses.tree import JOINTS, Pose

STEPS = 100
RATE = 0.02
QUANTILE = 0.85  # of a bone's length in the picture over the frames that show it well
CONFIDENT = 0.4  # a frame counts where both ends of the bone have more confidence
LEAST_FRAMES = 5  # with fewer such frames a bone has its usual length
SPREAD = 1.5  # largest factor between a bone's length and its usual length
LEAST_LEAN = 0.15  # least depth of a bone as a part of its length: no bone starts in the plane
LEAN_FRAMES = 9  # window of the average over a bone's lean
DEPTH_WEIGHT = 0.5  # weight of motion in depth; the picture's two axes have the original's 0.1

# Usual lengths in shoulder widths: nose to neck, half the shoulders, upper arm, forearm, wrist to
# the hand's root, then thumb, index, middle, ring and little finger from palm to tip. Medians over
# How2Sign's signers of the quantile above; fingers agree with hand anthropometry.
USUAL_LENGTHS = np.array(
    [0.60, 0.50, 0.87, 0.79, 0.05]
    + [0.12, 0.15, 0.12, 0.10]
    + [0.30, 0.16, 0.10, 0.08]
    + [0.27, 0.18, 0.11, 0.08]
    + [0.25, 0.17, 0.10, 0.08]
    + [0.24, 0.14, 0.07, 0.06],
    np.float32,
)
_FORWARD = np.ones((JOINTS, 1), np.float32)
_FORWARD[1] = -1  # the neck is behind the nose; every other bone is assumed to lean to the viewer


def bone_lengths(x: Array, y: Array, weight: Array) -> Array:
    """Measures the 25 bone lengths of a signer.

    Args:
        x, y: [J, T] in shoulder widths.
        weight: [J, T], confidence in 0..1, 0 in padding.

    Returns:
        float32 [25] in shoulder widths: for each bone, both sides pooled, an upper quantile of
        its length in the picture, held near the usual length.
    """
    seen = jnp.minimum(weight, weight[tree.PARENT]) > CONFIDENT
    length = jnp.sqrt((x - x[tree.PARENT]) ** 2 + (y - y[tree.PARENT]) ** 2)
    length = jnp.where(seen, length, jnp.inf)[tree.BONES_OF].reshape(tree.LENGTHS, -1)
    count = jnp.isfinite(length).sum(axis=1)
    rank = jnp.floor(QUANTILE * (count - 1)).astype(jnp.int32)
    ordered = jnp.sort(length, axis=1)
    measured = jnp.take_along_axis(ordered, jnp.maximum(rank, 0)[:, None], axis=1)[:, 0]
    measured = jnp.where(count >= LEAST_FRAMES, measured, USUAL_LENGTHS)
    return jnp.clip(measured, USUAL_LENGTHS / SPREAD, USUAL_LENGTHS * SPREAD)


def _average(values: Array, weight: Array) -> Array:
    """The weighted mean over LEAN_FRAMES frames around each frame, [J, T]."""
    half, size = LEAN_FRAMES // 2, values.shape[1]

    def window(part):
        wide = jnp.pad(part, [(0, 0), (half, half)])
        return sum(wide[:, shift : shift + size] for shift in range(LEAN_FRAMES))

    return window(values * weight) / jnp.maximum(window(weight), 1e-6)


def start(x: Array, y: Array, weight: Array, lengths: Array, frames: Array) -> Pose:
    """Leans every bone out of the picture until it has its length; shapes as `bone_lengths`."""
    across, down = x - x[tree.PARENT], y - y[tree.PARENT]
    seen = jnp.maximum(jnp.sqrt(across**2 + down**2), 1e-6)
    cosine = seen / lengths[tree.LENGTH_OF][:, None]
    lean = jnp.sqrt(jnp.maximum(1 - cosine**2, LEAST_LEAN**2))
    # a frame that shows nothing still counts a little, so that no window is empty
    trust = jnp.minimum(weight, weight[tree.PARENT]) + 1e-3
    lean = _average(lean, jnp.where(jnp.arange(x.shape[1]) < frames, trust, 0.0))
    lean = jnp.clip(lean, LEAST_LEAN, 1.0)  # padding has none
    flat = jnp.sqrt(1 - lean**2) / seen
    direction = (across * flat, down * flat, lean * _FORWARD)
    root = (x[0], y[0], jnp.zeros_like(x[0]))
    along_x, along_y, along_z = (part.at[0].set(of) for part, of in zip(direction, root))
    return Pose(along_x, along_y, along_z, jnp.log(lengths))


@jax.jit
def prepare(keypoints: Array, frames: Array) -> tuple[Array, Pose]:
    """Fills gaps and makes the first guess.

    Args:
        keypoints: float32 [3, J, T], x and y in shoulder widths and confidence in 0..1, 0 in
            padding.
        frames: int32, number of frames without padding.

    Returns:
        The keypoints with x and y filled by `lift_reference.interpolate`, and the first guess.
    """
    x, y, weight = keypoints
    x, y = interpolate(x, y, weight, frames)
    first = start(x, y, weight, bone_lengths(x, y, weight), frames)
    return jnp.stack([x, y, weight]), first


@jax.jit
def refined(pose: Pose, filled: Array, frames: Array) -> tuple[Array, Pose]:
    """Minimizes the original's objective, with a higher weight on motion in depth, by Adam.

    Args:
        pose, filled: from `prepare`.
        frames: int32, number of frames without padding.

    Returns:
        Positions [3, J, T] in shoulder widths, the third axis towards the viewer, and the tree.
    """
    x, y, weight = filled
    gradient = make_gradient(x, y, weight, frames, DEPTH_WEIGHT)
    optimizer = optax.adam(RATE)

    def step(_, carry):
        pose, memory = carry
        update, memory = optimizer.update(gradient(pose), memory)
        return optax.apply_updates(pose, update), memory

    final, _ = jax.lax.fori_loop(0, STEPS, step, (pose, optimizer.init(pose)))
    return jnp.stack(tree.joint_positions(final)), final
