"""Binary glTF: what a 3D tool would show at a frame's time is the clip."""

import numpy as np
import pygltflib
import pytest
from real_clips import letters
from rigged import JOINTS, meters
from scipy.spatial.transform import Rotation

from signllm_jax.core.skeleton import DWPOSE128, OPENPOSE50
from signllm_jax.poses.clip import PoseClip
from signllm_jax.render.figure import COLOURS
from signllm_jax.render.rig import SHOULDER
from signllm_jax.render.turning import quaternions, swing


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
        kind = {5126: np.float32, 5123: np.uint16, 5121: np.uint8}[accessor.componentType]
        width = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}[accessor.type]
        return np.frombuffer(self.blob, kind, accessor.count * width, view.byteOffset).reshape(
            -1, width
        )

    def motion(self, name, path):
        return self.array(self.channels[self.names[name], path].output)

    def placed(self):
        """Joint -> its matrices [T, 4, 4] in the scene, as skin and nodes have them."""
        nodes, (skin,) = self.file.nodes, self.file.skins
        parent = {child: number for number, node in enumerate(nodes) for child in node.children}
        found = {}
        for number in skin.joints:  # each after the one that it hangs on
            node, own = nodes[number], np.eye(4)
            own[:3, 3] = node.translation
            if (number, "rotation") in self.channels:
                turns = Rotation.from_quat(self.motion(node.name, "rotation")).as_matrix()
                own = np.repeat(own[None], len(turns), axis=0)
                own[:, :3, :3] = turns
            if (number, "translation") in self.channels:
                own[:, :3, 3] = self.motion(node.name, "translation")
            above = parent.get(number)
            found[node.name] = own if above is None else found[nodes[above].name] @ own
        return found

    def skinned(self):
        """Color -> its points [T, N, 3] as they move with the joints."""
        (skin,), (mesh,) = self.file.skins, self.file.meshes
        inverse = self.array(skin.inverseBindMatrices).reshape(-1, 4, 4).swapaxes(1, 2)
        joints = np.stack(list(self.placed().values()), axis=1) @ inverse
        found = {}
        for part in mesh.primitives:
            bound, weights = (
                self.array(number)
                for number in (part.attributes.JOINTS_0, part.attributes.WEIGHTS_0)
            )
            np.testing.assert_allclose(weights.sum(1), 1, atol=1e-6)
            points = np.pad(
                self.array(part.attributes.POSITION), ((0, 0), (0, 1)), constant_values=1
            )
            moved = np.einsum("nk,tnkij,nj->tni", weights, joints[:, bound], points)
            linear = self.file.materials[part.material].pbrMetallicRoughness.baseColorFactor[:3]
            found[tuple(np.round(linear, 4))] = moved[..., :3]
        return found


def linear(colour):
    """A color of the page as glTF has it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    return tuple(
        np.round([v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts], 4)
    )


@pytest.fixture(scope="module")
def figure(tmp_path_factory):
    return Scene(letters()[0].save(tmp_path_factory.mktemp("glb") / "a.glb"))


def test_joints_of_a_figure_turn_and_are_where_the_clip_has_them(figure):
    clip, placed = letters()[0], figure.placed()
    for joint, name in JOINTS.items():
        seen = clip.observed[:, OPENPOSE50.index(joint)]
        off = np.linalg.norm(placed[name][:, :3, 3] - meters(clip, joint), axis=-1)[seen]
        limit = 0.025 if joint == "right_wrist" else 0.01  # the hand is at the hand's own wrist
        assert not seen.any() or off.mean() < limit, name
    moving = {figure.file.nodes[node].name for node, path in figure.channels if path != "rotation"}
    assert moving == {"Hips"}  # so bones keep their lengths
    assert {"Hips", "Spine", "Neck", "Head", "LeftShoulder", "LeftUpLeg", "LeftFoot"} <= set(placed)


def test_a_figure_stands_at_rest_as_its_skin_was_made(figure):
    (skin,) = figure.file.skins
    inverse = figure.array(skin.inverseBindMatrices).reshape(-1, 4, 4).swapaxes(1, 2)
    nodes, rest = figure.file.nodes, {}
    parent = {child: number for number, node in enumerate(nodes) for child in node.children}
    for number, matrix in zip(skin.joints, inverse, strict=True):
        rest[number] = rest.get(parent.get(number), np.zeros(3)) + nodes[number].translation
        np.testing.assert_allclose(matrix @ [*rest[number], 1], [0, 0, 0, 1], atol=1e-6)
        assert nodes[number].rotation in (None, [0, 0, 0, 1])
    wrists = [rest[figure.names[f"{side}Hand"]] for side in ("Right", "Left")]
    assert wrists[0][0] < -0.5 and wrists[1][0] > 0.5  # a T-pose
    assert abs(wrists[0][1] - rest[figure.names["Neck"]][1]) < 1e-6


def test_the_skin_of_each_finger_has_its_shade_and_follows_it(figure):
    skin, placed = figure.skinned(), figure.placed()
    for number, name in enumerate(("Thumb", "Index", "Middle", "Ring", "Pinky")):
        points = skin[linear(COLOURS[f"right_hand_{number}"])]
        for joint in (f"RightHand{name}1", f"RightHand{name}3", f"RightHand{name}3_end"):
            near = np.linalg.norm(points - placed[joint][:, None, :3, 3], axis=-1).min(axis=1)
            assert (near < 0.016).all(), joint  # meters: a finger is twice as thick
    head = skin[linear(COLOURS["head"])]
    up = placed["Head"][:, :3, 3]
    assert (head[..., 1].max(1) > up[:, 1] + 0.2).all() and (head[..., 1].min(1) < up[:, 1]).all()


def test_normals_point_out_of_the_skin(figure):
    for part in figure.file.meshes[0].primitives:
        points, normals = (
            figure.array(number).astype(float)
            for number in (part.attributes.POSITION, part.attributes.NORMAL)
        )
        faces = figure.array(part.indices).reshape(-1, 3).astype(int)
        a, b, c = points[faces].swapaxes(0, 1)
        out = np.cross(b - a, c - a)
        assert ((out * normals[faces].sum(1)).sum(-1) > 0).all()
        assert (out * a).sum() > 0  # the volume that counterclockwise faces enclose


def test_the_smallest_turn_is_exact_also_near_half_a_turn():
    rng = np.random.default_rng(0)
    start = rng.normal(size=(300, 3))
    start /= np.linalg.norm(start, axis=1, keepdims=True)
    off = np.repeat(10.0 ** -np.arange(10), 30)[:, None]
    end = -start + off * rng.normal(size=start.shape)
    end[:5] = -start[:5]
    turns = swing(start, end)
    end /= np.linalg.norm(end, axis=1, keepdims=True)
    np.testing.assert_allclose((turns @ start[..., None])[..., 0], end, atol=1e-5)
    np.testing.assert_allclose(turns @ turns.mT, np.broadcast_to(np.eye(3), turns.shape), atol=1e-5)


def test_quaternions_are_the_rotations_and_do_not_jump():
    turns = Rotation.random(500, random_state=0)
    half = Rotation.from_rotvec(np.pi * np.eye(3))
    turns = Rotation.concatenate([turns, half, Rotation.identity(1)]).as_matrix()
    found = quaternions(turns)
    np.testing.assert_allclose(Rotation.from_quat(found).as_matrix(), turns, atol=1e-9)
    assert ((found[1:] * found[:-1]).sum(-1) >= 0).all()


@pytest.fixture(scope="module")
def clip():
    """A flat clip in which a shown joint goes missing for some frames."""
    letter = letters()[0]
    positions = np.random.default_rng(0).normal(size=(len(letter), 128, 3)).astype(np.float32)
    confidence = np.ones(positions.shape[:2], np.float32)
    for number, name in enumerate(OPENPOSE50.joints):
        own = DWPOSE128.index(name)
        positions[:, own], confidence[:, own] = (
            letter.positions[:, number],
            letter.confidence[:, number],
        )
    positions[..., 2] = 0
    confidence[4:7, 0] = 0
    return PoseClip(positions, confidence, letter.fps, "dwpose128")


@pytest.fixture(scope="module")
def scene(clip, tmp_path_factory):
    return Scene(clip.save(tmp_path_factory.mktemp("glb") / "b.glb"))


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


def test_a_single_frame_of_either_layout_can_be_saved(tmp_path):
    rng = np.random.default_rng(0)
    for layout in (DWPOSE128, OPENPOSE50):
        positions = rng.normal(size=(1, layout.size, 3)).astype(np.float32)
        clip = PoseClip(positions, np.ones(positions.shape[:2], np.float32), 25, layout.name)
        scene = Scene(clip.save(tmp_path / f"{layout.name}.glb"))
        if layout is DWPOSE128:
            place = scene.motion("nose", "translation")[0]
            np.testing.assert_array_equal(place, positions[0, 0] * (1, 1, 0))
        else:
            assert np.isfinite(scene.placed()["RightHand"]).all()


def test_nothing_shown_is_a_figure_at_rest(tmp_path):
    clip = PoseClip(np.zeros((2, 50, 3), np.float32), np.zeros((2, 50), np.float32), 25)
    placed = Scene(clip.save(tmp_path / "a.glb")).placed()
    assert all(np.isfinite(matrix).all() for matrix in placed.values())
    assert (placed["RightHand"][:, 1, 3] < placed["RightArm"][:, 1, 3] - 0.4).all()
