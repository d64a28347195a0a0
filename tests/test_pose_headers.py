"""`.pose` files of every header: read, written, read by pose-format's own tools, and damaged."""

import dataclasses
import importlib.resources
import io

import numpy as np
import pytest
from damage import damaged, survives
from pose_format import Pose
from pose_format.numpy import NumPyPoseBody
from pose_format.pose_header import PoseHeader, PoseHeaderDimensions
from pose_format.pose_visualizer import PoseVisualizer
from pose_format.utils.generic import (
    detect_known_pose_format,
    pose_normalization_info,
    pose_shoulders,
)
from pose_format.utils.openpose import OpenPose_Components
from real_clips import letters

from signllm_jax.core.errors import OutputError, PoseFormatError
from signllm_jax.core.skeleton import DWPOSE128
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.frames import Repairs
from signllm_jax.poses.pose_file import read_pose_file, write_pose_file
from signllm_jax.poses.pose_headers import BODY_POINTS, FACE, HEADERS, make_components

FOLDER = importlib.resources.files("spoken_to_signed.assets") / "fingerspelling_lexicon"
TURKISH_A = FOLDER / "tsm" / "fs-stsc960856cb928aeb7a381a818364e9198.pose"


@pytest.fixture(scope="module")
def clip():
    return read_pose_file(TURKISH_A, hand_depth=450)


def near(ours, theirs, tolerance):
    np.testing.assert_array_equal(ours.observed, theirs.observed)
    np.testing.assert_allclose(ours.confidence, theirs.confidence, atol=1e-6)
    np.testing.assert_allclose(ours.positions, theirs.positions, atol=tolerance)


@pytest.mark.parametrize("header", HEADERS)
def test_a_clip_comes_back_from_every_header(tmp_path, clip, header):
    write_pose_file(tmp_path / "a.pose", clip, header)
    again = read_pose_file(tmp_path / "a.pose")
    assert again.fps == clip.fps
    if header == "holistic178":  # it has no nose
        assert not again.observed[:, 0].any()
        confidence, positions = clip.confidence.copy(), clip.positions.copy()
        confidence[:, 0] = positions[:, 0] = 0
        clip = dataclasses.replace(clip, confidence=confidence, positions=positions)
    near(again, clip, 2e-4)
    assert list(tmp_path.iterdir()) == [tmp_path / "a.pose"]


def test_a_flat_clip_of_128_joints_comes_back_from_openposes_header(tmp_path):
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.1, 1, (7, 128)).astype(np.float32)
    confidence[:, 100] = 0
    positions = rng.uniform(-1, 1, (7, 128, 3)).astype(np.float32)
    positions[:, 1], positions[:, [2, 5]] = 0, [[-0.5, 0, 0], [0.5, 0, 0]]
    positions[..., 2] = confidence
    positions[:, 100] = 0
    clip = PoseClip(positions, confidence, 24.0, DWPOSE128.name)
    write_pose_file(tmp_path / "a.pose", clip)
    near(read_pose_file(tmp_path / "a.pose", layout=DWPOSE128.name), clip, 1e-4)
    assert len(read_pose_file(tmp_path / "a.pose").skeleton.joints) == 50
    with pytest.raises(OutputError, match="needs the header openpose"):
        write_pose_file(tmp_path / "b.pose", clip, "holistic")
    write_pose_file(tmp_path / "c.pose", letters()[0], "holistic")
    with pytest.raises(PoseFormatError, match=r"c\.pose: MediaPipe Holistic has no dwpose128"):
        read_pose_file(tmp_path / "c.pose", layout=DWPOSE128.name)
    with pytest.raises(OutputError, match="unknown header 'smpl': known are holistic"):
        write_pose_file(tmp_path / "d.pose", letters()[0], "smpl")


@pytest.mark.parametrize("header", HEADERS)
def test_pose_formats_own_tools_take_what_is_written(tmp_path, clip, header):
    write_pose_file(tmp_path / "a.pose", clip, header)
    pose = Pose.read((tmp_path / "a.pose").read_bytes())
    points = {"holistic": 75, "holistic_face": 543, "holistic178": 178, "openpose": 137}
    assert pose.body.data.shape == (len(clip), 1, points[header], 3)
    assert detect_known_pose_format(pose) == header.partition("_")[0].rstrip("178")
    frame = int(np.flatnonzero(clip.observed.sum(1) > 20)[0])
    picture = list(PoseVisualizer(pose, thickness=3).draw())[frame]
    assert picture.shape == (640, 640, 3)
    drawn = (picture < 200).any(-1)
    ys, xs = np.nonzero(drawn)
    assert drawn.sum() > 500 and xs.min() > 20 and xs.max() < 620 and ys.min() > 20
    pose.normalize(pose_normalization_info(pose.header))
    right, left = (pose.header.get_point_index(*point) for point in pose_shoulders(pose.header))
    shoulders = pose.body.data[:, 0, right, :2] - pose.body.data[:, 0, left, :2]
    assert np.linalg.norm(shoulders, axis=-1).mean() == pytest.approx(1, abs=0.05)


def test_depth_is_in_the_unit_of_x_and_y_but_for_the_headers_of_mediapipe(tmp_path, clip):
    plain = Pose.read(clip.save(tmp_path / "a.pose").read_bytes())
    places = [plain.header.get_point_index("pose_keypoints_2d", p) for p in ("RElbow", "RWrist")]
    arm = plain.body.data[:, 0, places].data
    own = clip.positions[:, [3, 4]]
    seen = clip.observed[:, [3, 4]].all(1)
    np.testing.assert_allclose(
        np.diff(arm, axis=1)[seen], 160 * np.diff(own, axis=1)[seen], atol=0.1
    )
    asked = Pose.read(clip.save(tmp_path / "b.pose", header="holistic").read_bytes())
    assert asked.header.components[0].name == "POSE_LANDMARKS"
    with pytest.raises(OutputError, match=r"the header holistic is for \.pose files"):
        clip.save(tmp_path / "c.npz", header="holistic")


def test_the_headers_are_mediapipes():
    pose = Pose.read(TURKISH_A.read_bytes())
    theirs = {component.name: component for component in pose.header.components}
    for ours in make_components("holistic_face"):
        their = theirs[ours.name]
        if ours.name != FACE:
            assert ours.points == their.points
            limbs = [{tuple(sorted(limb)) for limb in part.limbs} for part in (ours, their)]
            assert limbs[0] == limbs[1] and len(ours.limbs) == len(their.limbs)
    face = make_components("holistic178")[1].points
    assert len(set(face)) == 128 and set(face) <= set(theirs[FACE].points)
    assert len(BODY_POINTS) == 33


def test_a_reduced_face_gives_the_nose_and_the_neck_is_between_the_shoulders(tmp_path, clip):
    pose = Pose.read(TURKISH_A.read_bytes())
    parts = {part.name: part.points for part in make_components("holistic178")}
    small = pose.get_components(list(parts), parts)
    assert small.body.data.shape[2] == 178
    with open(tmp_path / "small.pose", "wb") as file:
        small.write(file)
    again = read_pose_file(tmp_path / "small.pose", hand_depth=450)
    shown = again.observed[:, 0]
    assert shown.any()
    nose = again.positions[shown, 0, :2] - clip.positions[shown, 0, :2]
    assert np.linalg.norm(nose, axis=-1).mean() < 0.06
    np.testing.assert_array_equal(again.positions[:, 1:], clip.positions[:, 1:])


def test_depth_in_pixels_is_told_from_depth_in_widths(tmp_path, clip):
    pose = Pose.read(TURKISH_A.read_bytes())
    pose.body.data[..., 2] *= 450
    with open(tmp_path / "pixels.pose", "wb") as file:
        pose.write(file)
    near(read_pose_file(tmp_path / "pixels.pose"), clip, 1e-4)


def test_openposes_own_flat_header_is_read_flat(tmp_path):
    header = PoseHeader(0.2, PoseHeaderDimensions(640, 480), OpenPose_Components)
    rng = np.random.default_rng(0)
    data = rng.uniform(0, 400, (5, 1, 137, 2))
    data[:, :, 1], data[:, :, [2, 5]] = (320, 200), [[270, 200], [370, 200]]
    body = NumPyPoseBody(24, data, np.full((5, 1, 137), 0.5))
    with open(tmp_path / "flat.pose", "wb") as file:
        Pose(header, body).write(file)
    clip = read_pose_file(tmp_path / "flat.pose")
    assert clip.observed.all() and not clip.positions[..., 2].any()
    np.testing.assert_allclose(
        clip.positions[0, 0, :2], (data[0, 0, 0] - [320, 200]) / 100, atol=1e-5
    )
    np.testing.assert_allclose(
        clip.positions[:, 8, :2], (data[:, 0, 95] - [320, 200]) / 100, atol=1e-5
    )


def test_numbers_that_cannot_be_are_missing_and_counted(tmp_path, clip):
    write_pose_file(tmp_path / "a.pose", clip, "holistic")
    pose = Pose.read((tmp_path / "a.pose").read_bytes())
    pose.body.data[3, 0, 0, 0], pose.body.data[4, 0, 13, 1] = np.nan, 1e30
    with open(tmp_path / "b.pose", "wb") as file:
        pose.write(file)
    repairs = Repairs()
    again = read_pose_file(tmp_path / "b.pose", repairs=repairs)
    assert repairs == {"joints not finite": 1, "joints out of range": 1}
    assert not again.observed[3, 0] and not again.observed[4, 6] and again.observed[5, 0]


def test_another_header_is_refused_by_its_components(tmp_path):
    header = PoseHeader(0.2, PoseHeaderDimensions(9, 9), make_components("holistic")[1:])
    with open(tmp_path / "hands.pose", "wb") as file:
        Pose(header, NumPyPoseBody(25, np.ones((2, 1, 42, 3)), np.ones((2, 1, 42)))).write(file)
    with pytest.raises(PoseFormatError, match=r"hands\.pose: neither .* its components are LEFT_"):
        read_pose_file(tmp_path / "hands.pose")
    header.components = make_components("holistic")[:1] + make_components("holistic")[:1]
    with open(tmp_path / "handless.pose", "wb") as file:
        Pose(header, NumPyPoseBody(25, np.ones((2, 1, 66, 3)), np.ones((2, 1, 66)))).write(file)
    with pytest.raises(PoseFormatError, match=r"42 points are missing, the first is LEFT_HAND"):
        read_pose_file(tmp_path / "handless.pose")


@pytest.mark.parametrize("header", HEADERS)
def test_four_hundred_damaged_files_end_in_an_error_or_a_clip(tmp_path, clip, header):
    rng = np.random.default_rng(0)
    short = dataclasses.replace(clip, positions=clip.positions[:6], confidence=clip.confidence[:6])
    path = tmp_path / "clip.pose"
    write_pose_file(path, short, header)
    content = path.read_bytes()
    with io.BytesIO() as file:  # half of the damage goes to the small head and tail of the file
        Pose.read(content).header.write(file)
        head = len(file.getvalue())
    taken = 0
    for number in range(400):
        if number % 2:
            path.write_bytes(damaged(content, rng))
        else:
            path.write_bytes(damaged(content[:60], rng) + content[60:head] + content[head:])
        taken += survives(lambda: read_pose_file(path, repairs=Repairs()), "clip.pose")
    assert 0 < taken < 400


def test_announced_sizes_do_not_allocate_or_loop(tmp_path, clip):
    write_pose_file(tmp_path / "a.pose", clip)
    content = (tmp_path / "a.pose").read_bytes()
    with io.BytesIO() as file:
        Pose.read(content).header.write(file)
        head = file.getvalue()
    nothing = b"\x00\x00\x80\x3f"  # any number
    for version, body in (
        (b"\xcd\xcc\x4c\x3e", nothing + b"\xff\xff\xff\xff\xff\xff"),  # 0.2: frames, people
        (b"\xcd\xcc\x4c\x3e", nothing + b"\xff\xff\xff\xff\x00\x00"),
        (b"\xcd\xcc\xcc\x3d", b"\xff\xff\xff\xff\xff\xff"),  # 0.1
        (b"\x00\x00\x00\x00", b"\xff\xff\xff\xff\xff\xff"),  # 0.0
    ):
        (tmp_path / "big.pose").write_bytes(version + head[4:] + body)
        assert not survives(lambda: read_pose_file(tmp_path / "big.pose"), "big.pose")
    # no points at all, and 65535 people in 65535 frames
    (tmp_path / "big.pose").write_bytes(bytes(10) + b"\x00\x00" + b"\xff" * 20)
    assert not survives(lambda: read_pose_file(tmp_path / "big.pose"), "big.pose")


def test_the_clips_of_all_eight_languages_read_in_one_unit(shared_data):
    """Arms as long as people's, and hands as deep as they are wide, whatever z was measured in."""
    for folder in sorted((shared_data / "signs").iterdir()):
        if not folder.is_dir():
            continue
        for path in sorted(folder.glob("*.pose"))[:6]:
            clip = read_pose_file(path)
            assert clip.observed[:, 1].any()
            assert clip.observed[:, 0].any() == (folder.name != "gsl")
            hands = clip.positions[:, 8:29], clip.positions[:, 29:50]
            seen = clip.observed[:, 8:29].all(1), clip.observed[:, 29:50].all(1)
            extent = np.concatenate([np.ptp(h[s], axis=1) for h, s in zip(hands, seen)])
            deep = np.median(extent[:, 2] / extent[:, :2].max(-1))
            assert 0.05 < deep < 1.5, path
            forearm = np.linalg.norm(clip.positions[:, 3] - clip.positions[:, 4], axis=-1)
            assert 0.2 < np.median(forearm[clip.observed[:, [3, 4]].all(1)]) < 1.6, path
