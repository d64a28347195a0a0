"""Writes a clip as binary glTF (`.glb`): joints and bones as animated nodes, for 3D tools.

Every joint is a node with its name, whose translation is the joint's position in shoulder widths;
every bone is a node that is moved, turned and stretched between its two joints. What is not shown
has scale 0. The node above them turns the axes to those of glTF (y up, z towards the viewer) and
makes a shoulder width `SHOULDER` meters.
"""

from pathlib import Path

import numpy as np

from signllm_jax.core.skeleton import DWPOSE128
from signllm_jax.poses.clip import PoseClip

SHOULDER = 0.37
"""Meters; the breadth between the shoulder joints of a grown person."""
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
    [[0, 2, 4], [4, 2, 1], [1, 2, 5], [5, 2, 0], [4, 3, 0], [1, 3, 4], [5, 3, 1], [0, 3, 5]],
    np.uint16,
)


def save_glb(path: Path, clip: PoseClip) -> None:
    """Writes the clip; needs pygltflib. The layout dwpose128 is flat."""
    import pygltflib as gltf

    positions, shown = held_positions(clip)
    build = _Builder(gltf)
    times = build.add((np.arange(len(clip)) / clip.fps).astype(np.float32), "SCALAR")
    group_of = {joint: name for name, joints in clip.skeleton.groups.items() for joint in joints}
    meshes = {
        (shape, group): build.mesh(points, _COLOURS[group])
        for group in clip.skeleton.groups
        for shape, points in (("joint", _JOINT), ("bone", _BONE))
    }
    for joint, name in enumerate(clip.skeleton.joints):
        group = group_of[joint]
        size = np.repeat(shown[:, joint, None] * _RADIUS[group], 3, axis=1)
        motion = {"translation": positions[:, joint], "scale": size}
        build.node(name, meshes["joint", group], times, motion)
    for a, b in clip.skeleton.bones:
        group = group_of[b]
        along = positions[:, b].astype(np.float64) - positions[:, a]  # near half turns need it
        length = np.linalg.norm(along, axis=-1)
        wide = np.full(len(clip), _RADIUS[group])
        size = np.stack([wide, length, wide], -1) * (shown[:, a] & shown[:, b])[:, None]
        motion = {"translation": positions[:, a], "rotation": _turns(along, length), "scale": size}
        name = f"{clip.skeleton.joints[a]} to {clip.skeleton.joints[b]}"
        build.node(name, meshes["bone", group], times, motion)
    path.write_bytes(build.finish())


class _Builder:
    """Collects the parts of a glTF file: nodes under one root, and one animation of them."""

    def __init__(self, gltf):
        self.gltf = gltf
        self.file = gltf.GLTF2(asset=gltf.Asset(version="2.0", generator="signllm_jax"))
        self.blob = bytearray()
        self.animation = gltf.Animation(name="signing")
        self.faces = self.add(_FACES.reshape(-1), "SCALAR", gltf.ELEMENT_ARRAY_BUFFER)

    def add(self, array: np.ndarray, kind: str, target: int | None = None) -> int:
        """Appends numbers [N] or [N, C]; the index of their accessor."""
        gltf, array = self.gltf, np.ascontiguousarray(array)
        self.blob += bytes(-len(self.blob) % 4)
        view = gltf.BufferView(
            buffer=0, byteOffset=len(self.blob), byteLength=array.nbytes, target=target
        )
        self.blob += array.tobytes()
        self.file.bufferViews.append(view)
        numbers = array.reshape(len(array), -1)
        self.file.accessors.append(
            gltf.Accessor(
                bufferView=len(self.file.bufferViews) - 1,
                componentType=gltf.FLOAT if array.dtype == np.float32 else gltf.UNSIGNED_SHORT,
                count=len(array),
                type=kind,
                min=numbers.min(0).tolist(),
                max=numbers.max(0).tolist(),
            )
        )
        return len(self.file.accessors) - 1

    def mesh(self, points: np.ndarray, colour) -> int:
        gltf = self.gltf
        surface = gltf.PbrMetallicRoughness(
            baseColorFactor=list(colour), metallicFactor=0.0, roughnessFactor=0.8
        )
        self.file.materials.append(gltf.Material(pbrMetallicRoughness=surface))
        place = gltf.Attributes(POSITION=self.add(points, gltf.VEC3, gltf.ARRAY_BUFFER))
        part = gltf.Primitive(
            attributes=place, indices=self.faces, material=len(self.file.materials) - 1
        )
        self.file.meshes.append(gltf.Mesh(primitives=[part]))
        return len(self.file.meshes) - 1

    def node(self, name: str, mesh: int, times: int, motion: dict[str, np.ndarray]) -> None:
        gltf, number = self.gltf, len(self.file.nodes)
        self.file.nodes.append(gltf.Node(name=name, mesh=mesh))
        for path, values in motion.items():
            kind = gltf.VEC4 if path == "rotation" else gltf.VEC3
            output = self.add(values.astype(np.float32), kind)
            # what appears or goes does so at once
            way = gltf.ANIM_STEP if path == "scale" else gltf.ANIM_LINEAR
            self.animation.samplers.append(
                gltf.AnimationSampler(input=times, interpolation=way, output=output)
            )
            target = gltf.AnimationChannelTarget(node=number, path=path)
            sampler = len(self.animation.samplers) - 1
            self.animation.channels.append(gltf.AnimationChannel(sampler=sampler, target=target))

    def finish(self) -> bytes:
        gltf, file = self.gltf, self.file
        children = list(range(len(file.nodes)))
        root = gltf.Node(name="signer", children=children, rotation=[1.0, 0.0, 0.0, 0.0])
        root.scale = [SHOULDER] * 3
        file.nodes.append(root)
        file.animations.append(self.animation)
        file.scenes.append(gltf.Scene(nodes=[len(children)]))
        file.scene = 0
        file.buffers.append(gltf.Buffer(byteLength=len(self.blob)))
        file.set_binary_blob(bytes(self.blob))
        return b"".join(file.save_to_bytes())


def held_positions(clip: PoseClip) -> tuple[np.ndarray, np.ndarray]:
    """Positions [T, J, 3], a joint that is not shown staying where it was, and shown [T, J]."""
    shown = clip.observed
    positions = clip.positions * (1, 1, 0) if clip.layout == DWPOSE128.name else clip.positions
    moments = np.arange(len(clip))[:, None]
    latest = np.maximum.accumulate(np.where(shown, moments, -1), axis=0)
    first = np.where(shown.any(0), shown.argmax(0), 0)
    source = np.where(latest < 0, first, latest)
    return np.take_along_axis(positions, source[..., None], axis=0), shown


def _turns(along: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Quaternions [T, 4] (x, y, z, w) that turn the y axis into directions [T, 3]."""
    direction = along / np.maximum(length, 1e-9)[:, None]
    direction[length < 1e-9] = (0, 1, 0)
    x, y, z = direction.T
    turns = np.stack([z, 0 * x, -x, 1 + y], -1)
    turns[y < -1 + 1e-6] = (1, 0, 0, 0)  # straight down: half a turn about any level axis
    turns /= np.linalg.norm(turns, axis=-1, keepdims=True)
    jumps = np.sign((turns[1:] * turns[:-1]).sum(-1))  # q and -q are the same turn: stay near
    turns[1:] *= np.cumprod(np.where(jumps == 0, 1, jumps))[:, None]
    return turns
