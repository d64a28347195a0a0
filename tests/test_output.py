"""Saving by suffix: every form of poses comes back through its reader."""

import dataclasses
import json
import zipfile

import numpy as np
import pytest
from damage import damaged, survives
from real_clips import letters

from signllm_jax.core.errors import OutputError, PoseFormatError
from signllm_jax.poses import files
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.frames import Repairs
from signllm_jax.poses.openpose import read_openpose
from signllm_jax.render import save


@pytest.fixture(scope="module")
def clip():
    """A real clip with a right hand alone, whose first frame shows nobody."""
    clip = letters()[0]
    positions, confidence = clip.positions.copy(), clip.confidence.copy()
    # as the readers leave it: one wrist, and a shoulder width of 1 in all axes
    positions /= np.median(np.linalg.norm(positions[:, 2] - positions[:, 5], axis=-1))
    shown = clip.observed[:, 29]
    positions[shown, 4], confidence[shown, 4] = positions[shown, 29], 1
    positions[0], confidence[0] = 0, 0
    positions -= np.where(confidence[..., None] > 0, np.median(positions[1:, 1], axis=0), 0)
    return dataclasses.replace(clip, positions=positions, confidence=confidence)


def test_all_forms_are_known_to_writers_and_readers():
    assert set(save.SUFFIXES) == {
        *(".mp4", ".webm", ".gif", ".png", ".html", ".glb", ".bvh", ".vtt", ".srt", ".eaf"),
        *files.SUFFIXES,
    }


def test_arrays_come_back_bit_for_bit(tmp_path, clip):
    again = files.read_clip(clip.save(tmp_path / "a.npz"), fps=1)
    np.testing.assert_array_equal(again.positions, clip.positions)
    np.testing.assert_array_equal(again.confidence, clip.confidence)
    assert (again.fps, again.layout) == (clip.fps, clip.layout)
    wide = PoseClip(
        np.zeros((2, 128, 3), np.float32), np.ones((2, 128), np.float32), 5, "dwpose128"
    )
    assert files.read_clip(wide.save(tmp_path / "b.npz"), fps=1).layout == "dwpose128"


def test_skels_come_back_to_five_decimals(tmp_path, clip):
    again = files.read_clip(clip.save(tmp_path / "a.skels"), fps=clip.fps)
    np.testing.assert_array_equal(again.observed, clip.observed)
    np.testing.assert_allclose(again.positions, clip.positions, atol=2e-4)


def test_pose_files_come_back_but_for_the_unit(tmp_path, clip):
    again = files.read_clip(clip.save(tmp_path / "a.pose"), fps=1)
    assert again.fps == clip.fps
    np.testing.assert_array_equal(again.observed, clip.observed)
    width = np.linalg.norm((clip.positions[:, 2] - clip.positions[:, 5])[1:, :2], axis=-1)
    seen = clip.observed.copy()
    seen[:, 1] = False  # MediaPipe's neck is the middle of the shoulders
    error = again.positions * np.median(width) - clip.positions
    error -= np.median(error[seen], axis=0)
    assert np.abs(error[seen]).max() < 2e-3


@pytest.mark.parametrize("name", ["a.json", "a.json.zip", "A.ZIP"])
def test_openpose_in_one_file_comes_back_flat(tmp_path, clip, name):
    repairs = Repairs()
    again = files.read_clip(clip.save(tmp_path / name), clip.fps, repairs)
    assert repairs == {"frames without a person": 1}
    np.testing.assert_array_equal(again.observed, clip.observed)
    width = np.median(
        np.linalg.norm((clip.positions[:, 2] - clip.positions[:, 5])[1:, :2], axis=-1)
    )
    np.testing.assert_allclose(
        again.positions[..., :2] * width,
        clip.positions[..., :2] * clip.observed[..., None],
        atol=1e-3,
    )
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_an_archive_holds_openposes_own_files(tmp_path, clip):
    with zipfile.ZipFile(clip.save(tmp_path / "hello.json.zip")) as archive:
        archive.extractall(tmp_path / "hello")
    assert sorted(path.name for path in (tmp_path / "hello").iterdir())[:1] == [
        "hello_000000000000_keypoints.json"
    ]
    frame = json.loads((tmp_path / "hello" / "hello_000000000009_keypoints.json").read_text())
    assert len(frame["people"][0]["pose_keypoints_2d"]) == 75
    folder = read_openpose(tmp_path / "hello", 25)
    np.testing.assert_array_equal(
        folder.positions, read_openpose(tmp_path / "hello.json.zip", 25).positions
    )


def test_a_format_that_does_not_take_the_layout_says_so(tmp_path):
    wide = PoseClip(
        np.zeros((2, 128, 3), np.float32), np.ones((2, 128), np.float32), 5, "dwpose128"
    )
    with pytest.raises(OutputError, match="openpose50 clips, not dwpose128"):
        wide.save(tmp_path / "a.json")
    assert list(tmp_path.iterdir()) == []


def test_files_that_hold_no_clip_are_refused(tmp_path, clip):
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(PoseFormatError, match=r"a\.txt: its suffix must be one of \.npz \.pose"):
        files.read_clip(tmp_path / "a.txt", 25)
    line = clip.save(tmp_path / "a.skels").read_text()
    (tmp_path / "a.skels").write_text(line + line)
    with pytest.raises(PoseFormatError, match="2 lines, not one clip"):
        files.read_clip(tmp_path / "a.skels", 25)
    np.savez(tmp_path / "a.npz", positions=np.zeros((2, 7, 3)), confidence=1.0, fps=5.0)
    with pytest.raises(PoseFormatError, match=r"a\.npz: positions \(2, 7, 3\) and fps are no clip"):
        files.read_clip(tmp_path / "a.npz", 25)
    np.savez(
        tmp_path / "b.npz",
        positions=np.full((1, 50, 3), 1e300),
        confidence=np.ones((1, 50)),
        fps=5.0,
    )
    with pytest.raises(PoseFormatError, match=r"b\.npz: positions and confidence must be finite"):
        files.read_clip(tmp_path / "b.npz", 25)
    (tmp_path / "a.json").write_text("[]")
    with pytest.raises(PoseFormatError, match="no list of frames"):
        files.read_clip(tmp_path / "a.json", 25)


@pytest.mark.parametrize("suffix", [".json", ".zip", ".npz"])
def test_four_hundred_damaged_files_end_in_an_error_or_a_clip(tmp_path, clip, suffix):
    rng = np.random.default_rng(0)
    short = dataclasses.replace(
        clip, positions=clip.positions[8:11], confidence=clip.confidence[8:11]
    )
    path = short.save(tmp_path / f"clip{suffix}")
    content = path.read_bytes()
    taken = 0
    for _ in range(400):
        path.write_bytes(damaged(content, rng))
        taken += survives(lambda: files.read_clip(path, 24.0, Repairs()), "clip")
    assert taken < 400
