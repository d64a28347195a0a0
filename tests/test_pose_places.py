"""Where the pose of a clip lies, by its id and the format of its corpus."""

import pytest

from signllm_jax.corpora.clip_jobs import camera_of, find_jobs
from signllm_jax.corpora.entries import Entry


@pytest.mark.parametrize(
    "form, name, place, camera",
    [
        ("openpose", "a", "a/", ""),
        ("openpose", "a", "a.json", ""),
        ("openpose", "a", "a.json.gz", ""),
        ("openpose", "a", "a.zip", ""),
        ("openpose", "141_112", "141_112.openpose.json", ""),
        ("openpose", "141-112_a1", "141-112.openpose.json", "a1"),
        ("openpose", "x/141-112_b1", "x/141-112_openpose.json.gz", "b1"),
        ("openpose", "a_b", "a_b.json", ""),
        ("dwpose", "a", "a.npz", ""),
        ("dwpose", "a", "a/", ""),
        ("dwpose", "a", "a.json", ""),
        ("dwpose", "a", "a/npz/poses.npz", ""),
        ("dwpose", "a", "a/poses.npz", ""),
        ("pose", "a", "a.pose", ""),
        ("mediapipe", "hello/0", "hello/0/", ""),
    ],
)
def test_a_clip_is_found_by_its_id(tmp_path, form, name, place, camera):
    path = tmp_path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    if place.endswith("/"):
        path.mkdir()
        frame = {"openpose": "0_keypoints.json", "dwpose": "0.npz", "mediapipe": "0.npy"}[form]
        (path / frame).write_bytes(b"")
    else:
        path.write_bytes(b"")

    def found(name):
        return find_jobs([Entry(name, "text")], form, tmp_path).jobs[0].path

    assert found(name) == str(path)
    assert not found(f"{name}2") or camera
    assert camera_of(str(path), name) == camera


def test_a_video_with_one_file_of_all_frames_is_one_clip(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name / "npz").mkdir(parents=True)
        (tmp_path / name / "npz" / "poses.npz").write_bytes(b"")
    found = find_jobs([Entry("a", "text")], "dwpose", tmp_path)
    assert found.jobs[0].path == str(tmp_path / "a" / "npz" / "poses.npz")
    assert found.unlisted == [str(tmp_path / "b" / "npz" / "poses.npz")]
