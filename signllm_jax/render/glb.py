"""Writes a clip as binary glTF (`.glb`): a figure with a skin over the joints of `render/rig.py`.

The figure stands on the floor in meters, y up, facing the viewer; joints turn, and only the hips
move. A flat clip has no joints that could turn: it is drawn by nodes that move.
"""

from pathlib import Path

import numpy as np
from PIL import ImageColor

from signllm_jax.core.skeleton import OPENPOSE50
from signllm_jax.poses.clip import PoseClip
from signllm_jax.render.body import Part, body_parts
from signllm_jax.render.glb_points import points_glb
from signllm_jax.render.gltf import Builder
from signllm_jax.render.rig import SHOULDER, Joint, make_rig
from signllm_jax.render.turning import quaternions


def save_glb(path: Path, clip: PoseClip) -> None:
    """Writes the clip; needs pygltflib. The layout dwpose128 is flat."""
    make = _skinned if clip.layout == OPENPOSE50.name else points_glb
    path.write_bytes(make(Builder(len(clip), clip.fps), clip))


def _skinned(build: Builder, clip: PoseClip) -> bytes:
    root, places = make_rig(clip, SHOULDER)
    joints = list(root.walk())
    order = {joint.name: number for number, joint in enumerate(joints)}
    nodes = _add_joints(build, joints, order, places)
    rest = [joint.rest() for joint in joints]
    rest += [joint.rest() + joint.end for joint in joints if not joint.children]
    of_colour: dict[str, list[Part]] = {}
    for part in body_parts(joints, SHOULDER):
        of_colour.setdefault(part.colour, []).append(part)
    mesh = build.mesh(*(_primitive(build, parts, order) for parts in of_colour.values()))
    figure = build.node("signer", mesh=mesh, skin=build.skin(nodes, np.array(rest)))
    return build.finish(order[joints[0].name], figure)


def _add_joints(
    build: Builder, joints: list[Joint], order: dict[str, int], places: np.ndarray
) -> list[int]:
    """Appends the first nodes of a file: joints, then the ends of those without children."""
    for joint in joints:
        motion = {"rotation": quaternions(joint.local())}
        if joint.parent is None:
            motion["translation"] = places
        below = [order[child.name] for child in joint.children]
        build.node(joint.name, motion, translation=joint.offset.tolist(), children=below)
    for joint in joints:
        if not joint.children:
            end = build.node(f"{joint.name}_end", translation=joint.end.tolist())
            build.file.nodes[order[joint.name]].children = [end]
    return list(range(len(build.file.nodes)))


def _primitive(build: Builder, parts: list[Part], order: dict[str, int]):
    """One primitive of all parts of one color."""
    starts = np.cumsum([0, *(len(part.points) for part in parts)])
    faces = np.concatenate([part.faces + start for part, start in zip(parts, starts)])
    bound, weights = zip(*(_bound(part, order) for part in parts))
    return build.primitive(
        build.indices(faces),
        _linear(parts[0].colour),
        POSITION=np.concatenate([part.points for part in parts]).astype(np.float32),
        NORMAL=np.concatenate([part.normals for part in parts]).astype(np.float32),
        JOINTS_0=np.concatenate(bound),
        WEIGHTS_0=np.concatenate(weights),
    )


def _bound(part: Part, order: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """The joints that a part's points follow, and their weights, both [N, 4] as in glTF."""
    bound = np.zeros((len(part.points), 4), np.uint8)
    weights = np.zeros((len(part.points), 4), np.float32)
    for column, (name, weight) in enumerate(part.weights.items()):
        weights[:, column] = weight
        bound[:, column] = np.where(weights[:, column] > 0, order[name], 0)
    return bound, weights


def _linear(colour: str) -> list[float]:
    """Linear RGBA of a color of the page, `#rrggbb`."""
    value = np.array(ImageColor.getrgb(colour)) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return [*linear.tolist(), 1.0]
