"""Binary glTF: what a 3D tool would show at a frame's time is the clip."""

import dataclasses

import numpy as np
import pygltflib
import pytest
from real_clips import letters

from signllm_jax.poses.clip import PoseClip
from signllm_jax.render.glb import SHOULDER


class Scene:
    """A glTF file, read the way a tool plays it."""

    def __init__(self, path):
        self.file = pygltflib.GLTF2().load(str(path))
        self.blob = self.file.binary_blob()
        (animation,) = self.file.animations
        self.channels = {
            (c.target.node, c.target.path): animation.samplers[c.sampler]
            for c in animation.channels
        }
        self.names = {node.name: number for number, node in enumerate(self.file.nodes)}

    def array(self, number):
        accessor = self.file.accessors[number]
        view = self.file.bufferViews[accessor.bufferView]
        assert view.byteOffset % 4 == 0
        kind = {5126: np.float32, 5123: np.uint16}[accessor.componentType]
        width = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}[accessor.type]
        return np.frombuffer(self.blob, kind, accessor.count * width, view.byteOffset).reshape(
            -1, width
        )

    def motion(self, name, path):
        return self.array(self.channels[self.names[name], path].output)


@pytest.fixture(scope="module")
def clip():
    """A real clip in which a shown joint goes missing for some frames."""
    clip = letters()[0]
    confidence = clip.confidence.copy()
    confidence[4:7, 0] = 0
    return dataclasses.replace(clip, confidence=confidence)


@pytest.fixture(scope="module")
def scene(clip, tmp_path_factory):
    return Scene(clip.save(tmp_path_factory.mktemp("glb") / "a.glb"))


def test_joints_move_as_in_the_clip_and_missing_ones_have_no_size(scene, clip):
    for joint, name in enumerate(clip.skeleton.joints):
        seen = clip.observed[:, joint]
        places = scene.motion(name, "translation")
        np.testing.assert_array_equal(places[seen], clip.positions[seen, joint])
        np.testing.assert_array_equal(scene.motion(name, "scale")[:, 0] > 0, seen)
    nose = scene.motion("nose", "translation")
    np.testing.assert_array_equal(nose[4:7], nose[[3, 3, 3]])  # stays where it was


def test_bones_reach_from_joint_to_joint(scene, clip):
    joints = clip.skeleton.joints
    for a, b in clip.skeleton.bones:
        name = f"{joints[a]} to {joints[b]}"
        shown = clip.observed[:, a] & clip.observed[:, b]
        x, y, z, w = scene.motion(name, "rotation").T
        up = np.stack([2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)], -1)
        size = scene.motion(name, "scale")
        end = scene.motion(name, "translation") + up * size[:, 1:2]
        np.testing.assert_allclose(end[shown], clip.positions[shown, b], atol=2e-6)
        assert (size[~shown] == 0).all()
        turns = np.stack([x, y, z, w], -1)
        assert ((turns[1:] * turns[:-1]).sum(-1) >= 0).all()


def test_time_axes_and_size_are_those_of_gltf(scene, clip):
    times = {sampler.input for sampler in scene.channels.values()}
    (times,) = (scene.array(number)[:, 0] for number in times)
    np.testing.assert_allclose(times, np.arange(len(clip)) / clip.fps, rtol=1e-6)
    root = scene.file.nodes[scene.file.scenes[0].nodes[0]]
    # half a turn about x: y points up and z to the viewer, left stays left
    assert root.rotation == [1, 0, 0, 0] and root.scale == [SHOULDER] * 3
    assert len(root.children) == len(clip.skeleton.joints) + len(clip.skeleton.bones)


def test_a_single_frame_and_the_wide_layout_can_be_saved(tmp_path):
    positions = np.random.default_rng(0).normal(size=(1, 128, 3)).astype(np.float32)
    clip = PoseClip(positions, np.ones((1, 128), np.float32), 25, "dwpose128")
    scene = Scene(clip.save(tmp_path / "a.glb"))
    place = scene.motion("nose", "translation")[0]
    np.testing.assert_array_equal(place, positions[0, 0] * (1, 1, 0))
