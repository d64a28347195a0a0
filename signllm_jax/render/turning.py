"""Rotations from axes and directions, as arrays of matrices, quaternions and angles.

Functions import SciPy themselves: its import takes a tenth of the start of a command, and few
commands need rotations.
"""

import numpy as np


def frame(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Rotations [T, 3, 3] whose columns are `first`, the part of `second` orthogonal to it, and
    their normal.

    Where the two [T, 3] vanish or are parallel, the rotation is the identity.
    """
    x = first / np.maximum(np.linalg.norm(first, axis=-1, keepdims=True), 1e-9)
    y = second - (second * x).sum(-1, keepdims=True) * x
    length = np.linalg.norm(y, axis=-1, keepdims=True)
    y = y / np.maximum(length, 1e-9)
    axes = np.stack([x, y, np.cross(x, y)], -1)
    defined = (np.linalg.norm(x, axis=-1) > 0.5) & (length[:, 0] > 1e-6)
    return np.where(defined[:, None, None], axes, np.eye(3))


def swing(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The smallest rotations [T, 3, 3] that turn unit vectors [T, 3] into directions [T, 3]."""
    end = end / np.linalg.norm(end, axis=-1, keepdims=True)
    onward = ((start + end) ** 2).sum(-1)[:, None, None] / 2  # 1 + the cosine, exact near -1
    x, y, z = np.cross(start, end).T
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(-1, 3, 3)
    turn = np.eye(3) + cross + cross @ cross / np.maximum(onward, 1e-15)
    any_axis = np.cross(start, np.where(np.abs(start[:, :1]) < 0.9, [[1.0, 0, 0]], [[0, 1.0, 0]]))
    any_axis /= np.linalg.norm(any_axis, axis=-1, keepdims=True)
    half = 2 * any_axis[:, :, None] * any_axis[:, None] - np.eye(3)
    return np.where(onward < 1e-12, half, turn)


def about(axis: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Rotations [T, 3, 3] about a unit vector [3] by angles [T] in radians."""
    from scipy.spatial.transform import Rotation

    return Rotation.from_rotvec(angle[:, None] * axis).as_matrix()


def twist(turns: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """Angles [T] in radians, without jumps, by which rotations [T, 3, 3] turn about `axis` [3]."""
    turned = quaternions(turns)
    return np.unwrap(2 * np.arctan2(turned[:, :3] @ axis, turned[:, 3]))


def quaternions(turns: np.ndarray) -> np.ndarray:
    """Rotations [T, 3, 3] as quaternions [T, 4] (x, y, z, w) without changes of sign."""
    from scipy.spatial.transform import Rotation

    quats = Rotation.from_matrix(turns).as_quat()
    jumps = np.sign((quats[1:] * quats[:-1]).sum(-1))  # q and -q are the same rotation
    quats[1:] *= np.cumprod(np.where(jumps == 0, 1, jumps))[:, None]
    return quats


def zxy_degrees(turns: np.ndarray) -> np.ndarray:
    """Degrees [T, 3] about z, x and y, in this order from the left, without jumps."""
    z = np.arctan2(-turns[:, 0, 1], turns[:, 1, 1])
    x = np.arcsin(np.clip(turns[:, 2, 1], -1, 1))
    y = np.arctan2(-turns[:, 2, 0], turns[:, 2, 2])
    return np.degrees(np.stack([np.unwrap(z), x, np.unwrap(y)], axis=-1))
