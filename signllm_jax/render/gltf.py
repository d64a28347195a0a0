"""Builds binary glTF files (`.glb`) of meshes, nodes and one animation. Needs pygltflib."""

import numpy as np


def _append(parts: list, part) -> int:
    """Appends a part of a file; returns its index."""
    parts.append(part)
    return len(parts) - 1


_KINDS = {np.float32: "FLOAT", np.uint16: "UNSIGNED_SHORT", np.uint8: "UNSIGNED_BYTE"}


class Builder:
    """Collects the parts of a file; most methods append a part and return its index."""

    def __init__(self, clip_length: int, fps: float):
        import pygltflib as gltf

        self.gltf = gltf
        self.file = gltf.GLTF2(asset=gltf.Asset(version="2.0", generator="signllm_jax"))
        self.blob = bytearray()
        self.animation = gltf.Animation(name="signing")
        self.times = self.add((np.arange(clip_length) / fps).astype(np.float32), "SCALAR")

    def add(self, array: np.ndarray, kind: str, target: int | None = None) -> int:
        """Appends numbers [N] or [N, C] of a glTF type; returns the index of their accessor."""
        gltf, array = self.gltf, np.ascontiguousarray(array)
        self.blob += bytes(-len(self.blob) % 4)
        view = gltf.BufferView(
            buffer=0, byteOffset=len(self.blob), byteLength=array.nbytes, target=target
        )
        self.blob += array.tobytes()
        numbers = array.reshape(len(array), -1)
        accessor = gltf.Accessor(
            bufferView=_append(self.file.bufferViews, view),
            componentType=getattr(gltf, _KINDS[array.dtype.type]),
            count=len(array),
            type=kind,
            min=numbers.min(0).tolist(),
            max=numbers.max(0).tolist(),
        )
        return _append(self.file.accessors, accessor)

    def indices(self, faces: np.ndarray) -> int:
        """Appends triangles [N, 3]."""
        flat = faces.astype(np.uint16).reshape(-1)
        return self.add(flat, self.gltf.SCALAR, self.gltf.ELEMENT_ARRAY_BUFFER)

    def primitive(self, faces: int, colour, **attributes: np.ndarray):
        """A part of a mesh.

        Args:
            faces: Accessor of the triangles, as returned by `indices`.
            colour: Linear RGBA.
            attributes: Arrays [N, C] of the points, by glTF's names.
        """
        gltf = self.gltf
        surface = gltf.PbrMetallicRoughness(
            baseColorFactor=list(colour), metallicFactor=0.0, roughnessFactor=0.8
        )
        material = _append(self.file.materials, gltf.Material(pbrMetallicRoughness=surface))
        accessors = {
            name: self.add(array, f"VEC{array.shape[1]}", gltf.ARRAY_BUFFER)
            for name, array in attributes.items()
        }
        points = gltf.Attributes(**accessors)
        return gltf.Primitive(attributes=points, indices=faces, material=material)

    def mesh(self, *primitives) -> int:
        """Appends a mesh of these parts."""
        return _append(self.file.meshes, self.gltf.Mesh(primitives=list(primitives)))

    def node(self, name: str, motion: dict[str, np.ndarray] | None = None, **rest) -> int:
        """Appends a node at rest, and its motion: `translation`, `rotation` or `scale` [T, C]."""
        gltf, number = self.gltf, _append(self.file.nodes, self.gltf.Node(name=name, **rest))
        for path, values in (motion or {}).items():
            output = self.add(values.astype(np.float32), f"VEC{values.shape[1]}")
            # nodes appear and disappear at once
            way = gltf.ANIM_STEP if path == "scale" else gltf.ANIM_LINEAR
            sampler = gltf.AnimationSampler(input=self.times, interpolation=way, output=output)
            index = _append(self.animation.samplers, sampler)
            target = gltf.AnimationChannelTarget(node=number, path=path)
            self.animation.channels.append(gltf.AnimationChannel(sampler=index, target=target))
        return number

    def skin(self, joints: list[int], rest: np.ndarray) -> int:
        """Appends a skin of joints with the positions `rest` [N, 3] and no rotation at rest."""
        inverse = np.repeat(np.eye(4, dtype=np.float32)[None], len(joints), axis=0)
        inverse[:, 3, :3] = -rest  # glTF stores columns one after the other
        matrices = self.add(inverse.reshape(-1, 16), self.gltf.MAT4)
        skin = self.gltf.Skin(joints=joints, skeleton=joints[0], inverseBindMatrices=matrices)
        return _append(self.file.skins, skin)

    def finish(self, *roots: int) -> bytes:
        """The file, with these nodes as the roots of its scene."""
        file = self.file
        file.animations.append(self.animation)
        file.scenes.append(self.gltf.Scene(nodes=list(roots)))
        file.scene = 0
        file.buffers.append(self.gltf.Buffer(byteLength=len(self.blob)))
        file.set_binary_blob(bytes(self.blob))
        return b"".join(file.save_to_bytes())
