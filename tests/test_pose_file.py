import importlib.resources
import struct

import numpy as np
import pytest
from pose_format import Pose
from pose_format.pose_header import PoseHeaderCache

from signllm_jax.core.errors import PoseFormatError
from signllm_jax.poses.pose_file import read_pose_file

FOLDER = importlib.resources.files("spoken_to_signed.assets") / "fingerspelling_lexicon"
TURKISH_A = FOLDER / "tsm" / "fs-stsc960856cb928aeb7a381a818364e9198.pose"


@pytest.fixture(scope="module")
def clip():
    return read_pose_file(TURKISH_A, hand_depth=450)


def test_the_unit_is_the_shoulder_width_and_the_origin_the_neck(clip):
    shoulders = np.linalg.norm(clip.positions[:, 2, :2] - clip.positions[:, 5, :2], axis=-1)
    assert np.median(shoulders) == pytest.approx(1, abs=1e-3)
    np.testing.assert_allclose(np.median(clip.positions[:, 1], axis=0), 0, atol=1e-3)


def test_the_head_is_up_and_the_right_hand_is_on_the_left_of_the_picture(clip):
    assert (clip.positions[:, 0, 1] < 0).all()
    assert (clip.positions[:, 2, 0] < clip.positions[:, 5, 0]).all()


def test_the_arms_end_where_the_seen_hands_begin(clip):
    for wrist, hand in ((4, 29), (7, 8)):
        seen = clip.observed[:, hand]
        assert seen.any()
        np.testing.assert_array_equal(clip.positions[seen, wrist], clip.positions[seen, hand])


def test_a_hand_that_is_not_seen_is_missing_and_lies_at_zero(clip):
    missing = ~clip.observed
    assert missing[:, 29].any()
    assert (clip.positions[missing] == 0).all()


def test_depth_is_measured_from_the_hands_own_wrist(clip):
    deeper = read_pose_file(TURKISH_A, hand_depth=900)
    seen = clip.observed[:, 29]

    def depth(poses):
        return (poses.positions[seen, 29:50] - poses.positions[seen, 29:30])[..., 2]

    np.testing.assert_allclose(depth(deeper), 2 * depth(clip), atol=1e-4)


@pytest.mark.parametrize("damage", [b"", b"not a pose file", "cut"])
def test_a_damaged_file_is_refused_by_name(tmp_path, damage):
    path = tmp_path / "damaged.pose"
    path.write_bytes(TURKISH_A.read_bytes()[:20000] if damage == "cut" else damage)
    with pytest.raises(PoseFormatError, match=r"damaged\.pose"):
        read_pose_file(path)


def test_a_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(PoseFormatError, match=r"absent\.pose"):
        read_pose_file(tmp_path / "absent.pose")


def with_rate(path, rate, source=TURKISH_A):
    """A copy of a file of version 0.2 that says another rate."""
    content = source.read_bytes()
    clip = read_pose_file(source)
    body = content.index(struct.pack("<fIH", clip.fps, len(clip), 1))
    path.write_bytes(content[:body] + struct.pack("<f", rate) + content[body + 4 :])
    return path


def test_a_given_rate_counts_instead_of_the_stored_one(tmp_path, clip):
    assert read_pose_file(TURKISH_A, fps=29.97).fps == 29.97
    path = with_rate(tmp_path / "variable.pose", 0.0)
    with pytest.raises(PoseFormatError, match=r"variable\.pose: 0 frames .* give --fps"):
        read_pose_file(path)
    assert len(read_pose_file(path, fps=29.97)) == len(clip)


def test_a_time_base_is_no_rate(tmp_path, clip):
    path = with_rate(tmp_path / "webm.pose", 1000.0)
    with pytest.raises(PoseFormatError, match=r"webm\.pose: 1000 .* time base .* give --fps"):
        read_pose_file(path)
    assert read_pose_file(path, fps=25.0).fps == 25


def test_the_depth_of_a_file_does_not_depend_on_what_was_done_to_another():
    theirs = Pose.read(TURKISH_A.read_bytes())
    (width,) = struct.unpack_from("<H", TURKISH_A.read_bytes(), 4)
    theirs.header.dimensions.width *= 3  # what scaling a pose does
    alone = read_pose_file(TURKISH_A, hand_depth=width)
    np.testing.assert_array_equal(read_pose_file(TURKISH_A).positions, alone.positions)
    assert Pose.read(TURKISH_A.read_bytes()).header.dimensions.width == width


def test_parts_of_the_picture_are_scaled_by_the_size_in_the_header(tmp_path, clip):
    pose = Pose.read(TURKISH_A.read_bytes())
    size = pose.header.dimensions
    pose.body.data[..., 0] /= size.width
    pose.body.data[..., 1] /= size.height
    with open(tmp_path / "parts.pose", "wb") as file:
        pose.write(file)
    found = read_pose_file(tmp_path / "parts.pose", hand_depth=450)
    np.testing.assert_allclose(found.positions, clip.positions, atol=1e-3)
    pose.header.dimensions.width = pose.header.dimensions.height = 1
    with open(tmp_path / "unknown.pose", "wb") as file:
        pose.write(file)
    with pytest.raises(PoseFormatError, match=r"unknown\.pose: .* give --picture"):
        read_pose_file(tmp_path / "unknown.pose")
    PoseHeaderCache.clear_cache()


def test_a_normalized_file_is_no_part_of_a_picture(tmp_path, clip):
    """pose-format's `normalize` makes coordinates of about -1 to 1, in one unit for all axes."""
    pose = Pose.read(TURKISH_A.read_bytes())
    pose.normalize()
    with open(tmp_path / "normalized.pose", "wb") as file:
        pose.write(file)
    made = read_pose_file(tmp_path / "normalized.pose", hand_depth=450)
    np.testing.assert_allclose(made.positions, clip.positions, atol=1e-5)
    pose.body.data[..., :2] += 0.5  # of a picture after all
    with open(tmp_path / "parts.pose", "wb") as file:
        pose.write(file)
    parts = read_pose_file(tmp_path / "parts.pose", picture=(400, 200)).positions[..., :2]
    assert np.abs(parts - clip.positions[..., :2]).max() > 0.1
