"""OpenPose JSON folders: order, people, missing frames, and damage."""

import dataclasses
import json

import numpy as np
import pytest
from damage import damaged, survives

from signllm_jax.core.errors import OutputError, PoseFormatError
from signllm_jax.poses import openpose_frames, openpose_people
from signllm_jax.poses.budget import BUDGET
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.frames import Repairs
from signllm_jax.poses.openpose import read_openpose, read_openpose_keypoints, write_openpose


def person(seed=0, confidence=0.8):
    rng = np.random.default_rng(seed)
    body = rng.uniform(100, 900, (25, 3))
    hands = rng.uniform(100, 900, (2, 21, 3))
    body[:, 2] = hands[:, :, 2] = confidence
    return {
        "pose_keypoints_2d": body.round(3).ravel().tolist(),
        "hand_left_keypoints_2d": hands[0].round(3).ravel().tolist(),
        "hand_right_keypoints_2d": hands[1].round(3).ravel().tolist(),
    }


def write_frame(folder, number, *people):
    folder.mkdir(exist_ok=True)
    path = folder / f"clip_{number}_keypoints.json"
    path.write_text(json.dumps({"version": 1.3, "people": people}))
    return path


def made_clip(frames=7, seed=3):
    rng = np.random.default_rng(seed)
    positions = np.zeros((frames, 50, 3), np.float32)
    positions[:, :, :2] = rng.normal(0, 0.7, (frames, 50, 2))
    positions[:, 1] = 0
    positions[:, 2], positions[:, 5] = (-0.5, 0, 0), (0.5, 0, 0)
    confidence = rng.uniform(0.2, 1, (frames, 50)).astype(np.float32)
    confidence[2:3], confidence[4:5, 8:29] = 0, 0
    positions[confidence == 0] = 0
    return PoseClip(positions, confidence, 24.0)


def test_a_written_clip_reads_back_flat(tmp_path):
    clip, repairs = made_clip(), Repairs()
    write_openpose(tmp_path / "clip", clip)
    back = read_openpose(tmp_path / "clip", 24.0, repairs)
    np.testing.assert_allclose(back.positions, clip.positions, atol=2e-6)
    np.testing.assert_allclose(back.confidence, clip.confidence, atol=1e-4)
    assert (back.observed == clip.observed).all()
    assert repairs == {"frames without a person": 1}


def test_a_real_clip_reads_to_the_pixels_that_the_original_saw(shared_data):
    name = "_2FBDaOPYig_4-3-rgb_front"
    with np.load(shared_data / "how2sign" / "lift_reference" / f"{name}.npz") as reference:
        raw = reference["raw"].reshape(-1, 50, 3)
    repairs = Repairs()
    keypoints = read_openpose_keypoints(shared_data / "how2sign" / "openpose" / name, repairs)
    np.testing.assert_array_equal(keypoints, raw)
    assert not repairs
    clip = read_openpose(shared_data / "how2sign" / "openpose" / name, 24.0)
    assert clip.positions.shape == (62, 50, 3) and clip.confidence.max() <= 1


def test_frames_come_in_the_order_of_their_numbers(tmp_path):
    folder = tmp_path / "clip"
    people = {number: person(number) for number in (9, 10, 100)}
    for number, one in people.items():
        write_frame(folder, number, one)
    repairs = Repairs()
    keypoints = read_openpose_keypoints(folder, repairs)
    assert keypoints.shape == (92, 50, 3) and repairs == {"frames without a file": 89}
    for number, one in people.items():
        np.testing.assert_allclose(keypoints[number - 9, 0], one["pose_keypoints_2d"][:3])
    assert not keypoints[2:91].any()


def test_of_several_people_the_most_confident_is_taken_and_counted(tmp_path):
    folder, repairs = tmp_path / "clip", Repairs()
    write_frame(folder, 0, person(0, 0.3), person(1, 0.9), person(2, 0.5))
    keypoints = read_openpose_keypoints(folder, repairs)
    np.testing.assert_allclose(keypoints[0, :8].ravel(), person(1, 0.9)["pose_keypoints_2d"][:24])
    assert repairs == {"frames with several people": 1, "poses of other people left out": 2}


def test_frames_without_a_person_keep_their_time(tmp_path):
    folder, repairs = tmp_path / "clip", Repairs()
    write_frame(folder, 0, person(0))
    write_frame(folder, 1)
    write_frame(folder, 2, {"pose_keypoints_2d": [0] * 75})
    write_frame(folder, 3, person(3))
    keypoints = read_openpose_keypoints(folder, repairs)
    assert keypoints.any(axis=(1, 2)).tolist() == [True, False, False, True]
    assert repairs == {"frames without a person": 2}


@pytest.mark.parametrize("name", ["none.json", "none.json.gz", "none.zip", "none"])
def test_a_path_where_nothing_lies_is_refused_by_name(tmp_path, name):
    with pytest.raises(PoseFormatError, match=name):
        read_openpose(tmp_path / name, 25.0)


def test_unusable_numbers_make_a_joint_missing_and_are_counted(tmp_path):
    folder, repairs = tmp_path / "clip", Repairs()
    one = person(0)
    one["pose_keypoints_2d"][0] = float("nan")
    one["pose_keypoints_2d"][9] = 1e30
    one["hand_left_keypoints_2d"][5] = float("inf")
    write_frame(folder, 0, one)
    keypoints = read_openpose_keypoints(folder, repairs)
    assert repairs == {"joints not finite": 2, "joints out of range": 1}
    assert not keypoints[0, [0, 3, 9]].any() and keypoints[0, [1, 2, 8]].all()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xff{}", "codec can't decode"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"people": 3}', "no list of people"),
        (b'{"people": [3]}', "no JSON object"),
        (b'{"people": [{"pose_keypoints_2d": [1, 2]}]}', "2 numbers, not 54 or 75"),
        (b'{"people": [{"hand_left_keypoints_2d": {"a": 1}}]}', "dict numbers, not 63"),
        (b'{"people": [{"pose_keypoints_2d": [%s]}]}' % b",".join([b"true"] * 75), "no number"),
        (b'{"people": [{"pose_keypoints_2d": [%s]}]}' % b",".join([b"9" * 400] * 75), "too large"),
        (b'{"people": [{"pose_keypoints_2d": [%s]}]}' % (b"9" * 9000), "Exceeds the limit"),
        (b" " * (2 * 2**20 + 1), "larger than"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_damaged_frame_is_refused_by_name(tmp_path, content, reason):
    path = write_frame(tmp_path / "clip", 0)
    path.write_bytes(content)
    with pytest.raises(PoseFormatError, match=reason) as error:
        read_openpose_keypoints(path.parent)
    assert path.name in str(error.value)


def test_folders_that_are_no_clip_are_refused(tmp_path):
    with pytest.raises(PoseFormatError, match="cannot be read"):
        read_openpose_keypoints(tmp_path / "none")
    with pytest.raises(PoseFormatError, match="no frame files"):
        read_openpose_keypoints(tmp_path)
    write_frame(tmp_path / "empty", 0)
    with pytest.raises(PoseFormatError, match="nobody in any of 1 frames"):
        read_openpose_keypoints(tmp_path / "empty")
    write_frame(tmp_path / "twice", 1, person())
    write_frame(tmp_path / "twice", "01", person())
    with pytest.raises(PoseFormatError, match="are the same frame"):
        read_openpose_keypoints(tmp_path / "twice")
    write_frame(tmp_path / "far", 0, person())
    write_frame(tmp_path / "far", BUDGET.frames, person())
    with pytest.raises(PoseFormatError, match="more than the 50000"):
        read_openpose_keypoints(tmp_path / "far")
    headless = person()
    headless["pose_keypoints_2d"][6:9] = [0, 0, 0]
    write_frame(tmp_path / "headless", 0, headless)
    with pytest.raises(PoseFormatError, match="no frame shows both shoulders"):
        read_openpose(tmp_path / "headless", 24.0)


def test_only_openpose50_is_written(tmp_path):
    clip = PoseClip(
        np.zeros((1, 128, 3), np.float32), np.zeros((1, 128), np.float32), 1, "dwpose128"
    )
    with pytest.raises(OutputError, match="openpose50"):
        write_openpose(tmp_path / "clip", clip)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_openpose(tmp_path / "file", made_clip())


def test_fifteen_hundred_damaged_frames_end_in_an_error_or_a_clip(tmp_path):
    rng = np.random.default_rng(0)
    path = write_frame(tmp_path / "clip", 0, person(0), person(1))
    content = path.read_bytes()
    taken = 0
    for _ in range(1500):
        path.write_bytes(damaged(content, rng))
        taken += survives(lambda: read_openpose(path.parent, 24.0, Repairs()), "clip")
    assert 0 < taken < 1500


@pytest.mark.parametrize("together", [1, 2, 3, 256])
def test_people_are_those_of_their_frame_however_many_become_arrays_together(monkeypatch, together):
    monkeypatch.setattr(openpose_people, "_TOGETHER", together)
    people = openpose_people.People("clip", Repairs(), BUDGET)
    nobody = person(confidence=0.0)
    people.add(0, {"people": [person(1), person(2)]}, "first")
    people.add(1, {"people": [person(3)]}, "second")
    people.add(1, {"people": [nobody, person(4), person(5)]}, "second again")
    people.add(2, {"people": [nobody]}, "third")
    found = people.by_frame()
    assert {frame: len(there) for frame, there in found.items()} == {0: 2, 1: 2, 2: 0}
    for frame, seeds in ((0, (1, 2)), (1, (4, 5))):
        for there, seed in zip(found[frame], seeds, strict=True):
            told = person(seed)
            body = np.reshape(told["pose_keypoints_2d"], (25, 3))[:8]
            hands = np.reshape(
                [told[f"hand_{side}_keypoints_2d"] for side in ("left", "right")], (42, 3)
            )
            np.testing.assert_array_equal(there, np.float32([*body, *hands]))


def test_a_list_of_too_many_frames_is_refused_before_they_are_numbered(tmp_path, monkeypatch):
    (tmp_path / "a.json").write_text(json.dumps([{"people": [person()]}] * 7))
    budget = dataclasses.replace(BUDGET, frames=6)
    monkeypatch.setattr(openpose_frames, "numbered_names", None)
    with pytest.raises(PoseFormatError, match=r"a\.json: 7 frames are more than the 6"):
        read_openpose(tmp_path / "a.json", 25.0, budget=budget)
