"""Builds binary glTF files (`.glb`): meshes, nodes and one animation of them. Needs pygltflib."""

import numpy as np

_KINDS = {np.float32: "FLOAT", np.uint16: "UNSIGNED_SHORT", np.uint8: "UNSIGNED_BYTE"}


class Builder:
    """Collects the parts of a file; numbers are given back where a part is named by its index."""

    def __init__(self, clip_length: int, fps: float):
        import pygltflib as gltf

        self.gltf = gltf
        self.file = gltf.GLTF2(asset=gltf.Asset(version="2.0", generator="signllm_jax"))
        self.blob = bytearray()
        self.animation = gltf.Animation(name="signing")
        self.times = self.add((np.arange(clip_length) / fps).astype(np.float32), "SCALAR")

    def add(self, array: np.ndarray, kind: str, target: int | None = None) -> int:
        """Appends numbers [N] or [N, C] of a glTF type; the number of their accessor."""
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
                componentType=getattr(gltf, _KINDS[array.dtype.type]),
                count=len(array),
                type=kind,
                min=numbers.min(0).tolist(),
                max=numbers.max(0).tolist(),
            )
        )
        return len(self.file.accessors) - 1

    def indices(self, faces: np.ndarray) -> int:
        """Appends triangles [N, 3]."""
        flat = faces.astype(np.uint16).reshape(-1)
        return self.add(flat, self.gltf.SCALAR, self.gltf.ELEMENT_ARRAY_BUFFER)

    def primitive(self, faces: int, colour, **attributes: np.ndarray):
        """A part of a mesh: triangles of `indices`, linear RGBA, and arrays of its points."""
        gltf = self.gltf
        surface = gltf.PbrMetallicRoughness(
            baseColorFactor=list(colour), metallicFactor=0.0, roughnessFactor=0.8
        )
        self.file.materials.append(gltf.Material(pbrMetallicRoughness=surface))
        numbers = {
            name: self.add(array, f"VEC{array.shape[1]}", gltf.ARRAY_BUFFER)
            for name, array in attributes.items()
        }
        material = len(self.file.materials) - 1
        return gltf.Primitive(
            attributes=gltf.Attributes(**numbers), indices=faces, material=material
        )

    def mesh(self, *primitives) -> int:
        """Appends a mesh of these parts."""
        self.file.meshes.append(self.gltf.Mesh(primitives=list(primitives)))
        return len(self.file.meshes) - 1

    def node(self, name: str, motion: dict[str, np.ndarray] | None = None, **rest) -> int:
        """Appends a node at rest, and how it moves: `translation`, `rotation` or `scale` [T, C]."""
        gltf, number = self.gltf, len(self.file.nodes)
        self.file.nodes.append(gltf.Node(name=name, **rest))
        for path, values in (motion or {}).items():
            output = self.add(values.astype(np.float32), f"VEC{values.shape[1]}")
            # what appears or goes does so at once
            way = gltf.ANIM_STEP if path == "scale" else gltf.ANIM_LINEAR
            self.animation.samplers.append(
                gltf.AnimationSampler(input=self.times, interpolation=way, output=output)
            )
            target = gltf.AnimationChannelTarget(node=number, path=path)
            sampler = len(self.animation.samplers) - 1
            self.animation.channels.append(gltf.AnimationChannel(sampler=sampler, target=target))
        return number

    def skin(self, joints: list[int], rest: np.ndarray) -> int:
        """Appends a skin of joints that are at `rest` [N, 3] and not turned there."""
        inverse = np.repeat(np.eye(4, dtype=np.float32)[None], len(joints), axis=0)
        inverse[:, 3, :3] = -rest  # glTF stores columns one after the other
        matrices = self.add(inverse.reshape(-1, 16), self.gltf.MAT4)
        self.file.skins.append(
            self.gltf.Skin(joints=joints, skeleton=joints[0], inverseBindMatrices=matrices)
        )
        return len(self.file.skins) - 1

    def finish(self, *roots: int) -> bytes:
        """The file, whose scene has these nodes."""
        file = self.file
        file.animations.append(self.animation)
        file.scenes.append(self.gltf.Scene(nodes=list(roots)))
        file.scene = 0
        file.buffers.append(self.gltf.Buffer(byteLength=len(self.blob)))
        file.set_binary_blob(bytes(self.blob))
        return b"".join(file.save_to_bytes())
