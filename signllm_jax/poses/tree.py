"""The bone tree of openpose50 as matrices: directions and 25 lengths in, joint positions out.

The tree is that of the original 2D-to-3D code of Prompt2Sign (tools/2D_to_3D, after Zelinka and
Kanis, "Neural Sign Language Synthesis: Words Are Our Glosses", WACV 2020): the nose is the root and
every other joint is the end of one bone. Both sides of the body share a bone's length, so 49 bones
have 25 lengths. Arrays are joint-major, [J, T], one per coordinate: time is then contiguous, and a
matrix product with a constant adds up all chains at once.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from signllm_jax.core.skeleton import HAND_BONES, OPENPOSE50
from signllm_jax.core.typing import Array

JOINTS = OPENPOSE50.size
LENGTHS = 25
LEFT_HAND, RIGHT_HAND = 8, 29
_TINY = 1e-10  # keeps the norm of a vanishing direction away from 0, as the original does


_FINGERS = np.array([parent for parent, _ in HAND_BONES])
# parent of each joint; the nose is its own parent, and joints come after their parents
PARENT = np.array([0, 0, 1, 2, 3, 1, 5, 6, 7, *_FINGERS + LEFT_HAND, 4, *_FINGERS + RIGHT_HAND])
# index of the length of each joint's bone among the 25 lengths; the root has none (-1)
LENGTH_OF = np.array([-1, 0, 1, 2, 3, 1, 2, 3, 4, *range(5, 25), 4, *range(5, 25)])
# the two joints whose bones have a length, twice the same joint where there is only one
BONES_OF = np.array([np.flatnonzero(line == LENGTH_OF)[[0, -1]] for line in range(LENGTHS)])
BONE_COUNT = np.array([np.count_nonzero(line == LENGTH_OF) for line in range(LENGTHS)])
IS_BONE = (LENGTH_OF >= 0).astype(np.float32)[:, None]
# SELECT[l, j] = 1 where joint j's bone has length l
SELECT = (np.arange(LENGTHS)[:, None] == LENGTH_OF).astype(np.float32)


def _paths() -> np.ndarray:
    paths = np.eye(JOINTS, dtype=np.float32)
    for joint in range(1, JOINTS):
        paths[joint] += paths[PARENT[joint]]
    return paths


def _level_tables() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    depth = PATHS.sum(axis=1) - 1
    levels = [np.flatnonzero(depth == level) for level in range(1, int(depth.max()) + 1)]
    width = max(map(len, levels))
    joints = np.stack([np.resize(level, width) for level in levels])  # short levels repeat
    before = np.concatenate([np.zeros((1, width), int), joints[:-1]])
    parents = np.array(
        [[list(row).index(PARENT[joint]) for joint in level] for row, level in zip(before, joints)]
    )
    slot = [joints.ravel().tolist().index(joint) for joint in range(1, JOINTS)]
    return joints, parents, np.array([0, *slot])


PATHS = _paths()  # [J, J]: 1 where the second joint's bone leads to the first joint
# the tree by distance from the root, one row per level: the joints, the column of their parent in
# the row before, and the index of each joint in the table
LEVEL_JOINTS, LEVEL_PARENTS, LEVEL_SLOT = _level_tables()
_BODY = PATHS[:LEFT_HAND, :LEFT_HAND]
_HAND = PATHS[LEFT_HAND:RIGHT_HAND, LEFT_HAND:RIGHT_HAND]  # that of the right hand is the same
_LEFT_WRIST, _RIGHT_WRIST = PARENT[LEFT_HAND], PARENT[RIGHT_HAND]


class Pose(NamedTuple):
    """A clip as a tree.

    Attributes:
        x, y, z: float32 [J, T], the direction of each joint's bone (of any length above 0); in row
            0 the position of the root itself.
        log_lengths: float32 [25].
    """

    x: Array
    y: Array
    z: Array
    log_lengths: Array


def accumulate(values: Array) -> Array:
    """Adds up along the tree: [J, T] bone vectors -> [J, T] joint positions.

    Both hands have the same tree and are connected to the body by one joint, so the product with
    all of `PATHS` would mostly add zeros.
    """
    body = _product(_BODY, values[:LEFT_HAND])
    hands = _product(_HAND, jnp.concatenate(_hands(values), axis=1))
    left, right = jnp.split(hands, 2, axis=1)
    return jnp.concatenate([body, left + body[_LEFT_WRIST], right + body[_RIGHT_WRIST]])


def gather(values: Array) -> Array:
    """The transpose of `accumulate`: for each joint the sum over it and all joints beyond it."""
    hands = _product(_HAND.T, jnp.concatenate(_hands(values), axis=1))
    left, right = jnp.split(hands, 2, axis=1)
    body = values[:LEFT_HAND].at[_LEFT_WRIST].add(left[0]).at[_RIGHT_WRIST].add(right[0])
    return jnp.concatenate([_product(_BODY.T, body), left, right])


def _hands(values: Array) -> tuple[Array, Array]:
    return values[LEFT_HAND:RIGHT_HAND], values[RIGHT_HAND:]


def _product(matrix: np.ndarray, values: Array) -> Array:
    return jnp.dot(matrix, values, precision=jax.lax.Precision.HIGHEST)


def bone_scale(pose: Pose) -> tuple[Array, Array]:
    """Returns 1 / norm of each direction and length / norm, both [J, T]; the root's factor is 1."""
    # the root's row is a position, not a direction: its norm must not reach the gradient
    norm = jnp.sqrt(jnp.where(IS_BONE > 0, pose.x**2 + pose.y**2 + pose.z**2, 1.0)) + _TINY
    inverse = 1 / norm
    lengths = (SELECT.T @ jnp.exp(pose.log_lengths))[:, None]
    return inverse, jnp.where(IS_BONE > 0, lengths * inverse, 1.0)


def joint_positions(pose: Pose) -> tuple[Array, Array, Array]:
    """Returns the x, y and z of every joint, each [J, T]."""
    _, scale = bone_scale(pose)
    return tuple(accumulate(part * scale) for part in pose[:3])
