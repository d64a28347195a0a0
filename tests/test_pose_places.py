"""Where the pose of a clip lies, by its id and the format of its corpus."""

import json

import numpy as np
import pytest
from signers import openpose_person, signer

from signllm_jax.corpora.clip_jobs import find_jobs
from signllm_jax.corpora.entries import Entry
from signllm_jax.corpora.prepare import Settings, make_example
from signllm_jax.poses.frames import Repairs


@pytest.mark.parametrize(
    "form, name, place, camera",
    [
        ("openpose", "a", "a/a_0_keypoints.json", ""),
        ("openpose", "a", "a.json", ""),
        ("openpose", "a", "a.json.gz", ""),
        ("openpose", "a", "a.zip", ""),
        ("openpose", "141_112", "141_112.openpose.json", ""),
        ("openpose", "141-112_a1", "141-112.openpose.json", "a1"),
        ("openpose", "x/141-112_b1", "x/141-112_openpose.json.gz", "b1"),
        ("openpose", "a_b", "a_b.json", ""),
        ("dwpose", "a", "a.npz", ""),
        ("dwpose", "a", "a/0.npz", ""),
        ("dwpose", "a", "a.json", ""),
        ("dwpose", "a", "a/npz/poses.npz", ""),
        ("dwpose", "a", "a/poses.npz", ""),
        ("pose", "a", "a.pose", ""),
        ("mediapipe", "hello/0", "hello/0/0.npy", ""),
    ],
)
def test_a_clip_is_found_by_its_id(tmp_path, form, name, place, camera):
    path = tmp_path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    one_a_frame = path.name[0] == "0" or path.name.endswith("_keypoints.json")
    found = find_jobs([Entry(name, "text")], form, tmp_path)
    assert [(job.path, job.camera) for job in found.jobs] == [
        (str(path.parent if one_a_frame else path), camera)
    ]
    assert found.unlisted == []


def test_two_cameras_of_a_session_are_two_clips(tmp_path):
    (tmp_path / "s_openpose.json").write_bytes(b"")
    entries = [Entry("s_a1", "one"), Entry("s_b1", "two"), Entry("t_a1", "three")]
    jobs = find_jobs(entries, "openpose", tmp_path).jobs
    assert [job.camera for job in jobs] == ["a1", "b1", ""]
    assert [job.first for job in jobs] == [True, True, False] and not jobs[2].path


def test_a_segment_of_one_camera_is_cut_out_of_the_file_of_all(tmp_path):
    people = {"a1": signer(60, x=500), "b1": signer(60, x=800, swing=120)}
    wrapped = [
        {
            "camera": camera,
            "frames": {n: {"people": [openpose_person(k)]} for n, k in enumerate(keypoints)},
        }
        for camera, keypoints in people.items()
    ]
    (tmp_path / "s_openpose.json").write_text(json.dumps(wrapped))
    settings = Settings("gsl", "t", "openpose", fps=25.0)
    clips = {}
    for camera in ("1a1", "1b1"):  # as transcripts name them
        entry = Entry("s-1", "text", files=(f"s_{camera}",), start=0.4, end=1.6)
        (job,) = find_jobs([entry], "openpose", tmp_path).jobs
        assert job.cut and job.camera == camera
        _, clips[camera] = make_example(job, settings, Repairs())
        assert len(clips[camera]) == 30
    travel = [np.ptp(clip.positions[:, 4, 1]) for clip in clips.values()]
    assert travel[1] > 1.5 * travel[0]
