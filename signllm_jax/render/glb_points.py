"""A clip as moving nodes of a `.glb`: one per joint and one per bone, all without children.

Every joint is a node with its name, whose translation is the joint's position in shoulder widths;
every bone is a node that is moved, rotated and stretched between its two joints. Joints and bones
that are not shown have scale 0. Their parent node converts the axes to those of glTF (y up, z
towards the viewer) and the unit to meters, with `SHOULDER` meters per shoulder width.
"""

import numpy as np

from signllm_jax.poses.clip import PoseClip
from signllm_jax.render.gltf import Builder
from signllm_jax.render.rig import SHOULDER
from signllm_jax.render.turning import quaternions, swing
from signllm_jax.render.view import drawn_positions

_RADIUS = {"body": 0.035, "left_hand": 0.016, "right_hand": 0.016, "face": 0.008}  # widths
_COLOURS = {
    "body": (0.13, 0.18, 0.26, 1),
    "left_hand": (0.02, 0.13, 0.82, 1),
    "right_hand": (0.8, 0.1, 0.01, 1),
    "face": (0.3, 0.37, 0.47, 1),
}
# an octahedron for joints, and one stretched from (0, 0, 0) to (0, 1, 0) for bones
_JOINT = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], np.float32)
_BONE = (_JOINT * (1, 0.5, 1) + (0, 0.5, 0)).astype(np.float32)
_FACES = np.array(
    [[0, 2, 4], [4, 2, 1], [1, 2, 5], [5, 2, 0], [4, 3, 0], [1, 3, 4], [5, 3, 1], [0, 3, 5]]
)


def points_glb(build: Builder, clip: PoseClip) -> bytes:
    """The file of a clip of any layout."""
    positions, shown = _held(clip)
    group_of = {joint: name for name, joints in clip.skeleton.groups.items() for joint in joints}
    faces = build.indices(_FACES)
    meshes = {
        (shape, group): build.mesh(build.primitive(faces, _COLOURS[group], POSITION=points))
        for group in clip.skeleton.groups
        for shape, points in (("joint", _JOINT), ("bone", _BONE))
    }
    nodes = []
    for joint, name in enumerate(clip.skeleton.joints):
        group = group_of[joint]
        size = np.repeat(shown[:, joint, None] * _RADIUS[group], 3, axis=1)
        motion = {"translation": positions[:, joint], "scale": size}
        nodes.append(build.node(name, motion, mesh=meshes["joint", group]))
    for a, b in clip.skeleton.bones:
        name = f"{clip.skeleton.joints[a]} to {clip.skeleton.joints[b]}"
        motion = _stretched(positions[:, a], positions[:, b], _RADIUS[group_of[b]])
        motion["scale"] *= (shown[:, a] & shown[:, b])[:, None]
        nodes.append(build.node(name, motion, mesh=meshes["bone", group_of[b]]))
    half_turn, size = [1.0, 0.0, 0.0, 0.0], [SHOULDER] * 3
    return build.finish(build.node("signer", children=nodes, rotation=half_turn, scale=size))


def _stretched(start: np.ndarray, end: np.ndarray, radius: float) -> dict[str, np.ndarray]:
    """The motion of a bone between two positions [T, 3]."""
    along = end - start
    length = np.linalg.norm(along, axis=-1)
    up = np.broadcast_to([0.0, 1, 0], along.shape)
    turns = quaternions(swing(up, np.where(length[:, None] < 1e-9, up, along)))
    wide = np.full(len(along), radius)
    scale = np.stack([wide, length, wide], -1)
    return {"translation": start, "rotation": turns, "scale": scale}


def _held(clip: PoseClip) -> tuple[np.ndarray, np.ndarray]:
    """Positions [T, J, 3], where joints that are not shown stay in place, and shown [T, J]."""
    shown = clip.observed
    latest = np.maximum.accumulate(np.where(shown, np.arange(len(clip))[:, None], -1), axis=0)
    source = np.where(latest < 0, shown.argmax(0), latest)  # before it is shown: its first frame
    return np.take_along_axis(drawn_positions(clip), source[..., None], axis=0), shown
