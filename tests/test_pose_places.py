"""Where the pose of a clip lies, by its id and the format of its corpus."""

import pytest

from signllm_jax.corpora.clip_jobs import camera_of, find_jobs, find_pose
from signllm_jax.corpora.manifest import Entry


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
    path.mkdir() if place.endswith("/") else path.write_bytes(b"")
    assert find_pose(tmp_path, name, form) == path
    assert find_pose(tmp_path, f"{name}2", form) is None or camera
    assert camera_of(str(path), name) == camera


def test_a_video_with_one_file_of_all_frames_is_one_clip(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name / "npz").mkdir(parents=True)
        (tmp_path / name / "npz" / "poses.npz").write_bytes(b"")
    jobs, others = find_jobs([Entry("a", "text")], "dwpose", tmp_path)
    assert jobs[0].path == str(tmp_path / "a" / "npz" / "poses.npz")
    assert others == [str(tmp_path / "b" / "npz" / "poses.npz")]
