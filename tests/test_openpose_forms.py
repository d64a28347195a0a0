"""Forms of OpenPose's JSON that other versions, extractors and corpora write."""

import gzip
import json
import zipfile

import numpy as np
import pytest
from damage import damaged, survives
from signers import openpose_person, signer

from signllm_jax.core.errors import PoseFormatError
from signllm_jax.poses import files, json_stream, openpose_frames, openpose_session
from signllm_jax.poses.frames import Repairs
from signllm_jax.poses.openpose import read_openpose, read_openpose_keypoints

FRAMES = 6
KEYPOINTS = signer(FRAMES).round(4)
PEOPLE = [openpose_person(keypoints) for keypoints in KEYPOINTS]


def read(tmp_path, value, name="clip.json", **named):
    (tmp_path / name).write_text(json.dumps(value))
    return read_openpose_keypoints(tmp_path / name, **named)


def test_keys_of_openpose_1_0_have_no_ending(tmp_path):
    people = [openpose_person(keypoints, ending="", body=18) for keypoints in KEYPOINTS]
    found = read(tmp_path, [{"version": 1.0, "people": [one]} for one in people])
    np.testing.assert_allclose(found, KEYPOINTS, rtol=1e-6)


def test_hands_are_read_without_a_face_and_beside_one(tmp_path):
    with_face = [one | {"face_keypoints_2d": [1.0] * 210} for one in PEOPLE]
    for people in (PEOPLE, with_face):
        found = read(tmp_path, [{"people": [one]} for one in people])
        np.testing.assert_allclose(found, KEYPOINTS, rtol=1e-6)


def test_keys_that_nobody_knows_are_named(tmp_path):
    person = {"body_keypoints_2d": PEOPLE[0]["pose_keypoints_2d"]}
    with pytest.raises(PoseFormatError, match=r"keys that are not known: body_keypoints_2d"):
        read(tmp_path, [{"people": [person]}])


def test_the_korean_corpus_has_one_person_who_is_no_list_and_3d_arrays_beside(tmp_path):
    folder = tmp_path / "NIA_SL_WORD0001_REAL01_F"
    folder.mkdir()
    for number, one in enumerate(PEOPLE):
        solid = {
            f"{part}_keypoints_3d": [9.0] * 4 * size
            for part, size in (("pose", 25), ("face", 70), ("hand_left", 21), ("hand_right", 21))
        }
        content = {
            "version": 1.3,
            "people": {"person_id": -1, "face_keypoints_2d": [0.0] * 210} | one | solid,
            "camparam": {"Intrinsics": "1 0 0"},
        }
        name = f"NIA_SL_WORD0001_REAL01_F_{number:012d}_keypoints.json"
        (folder / name).write_text(json.dumps(content))
    np.testing.assert_allclose(read_openpose_keypoints(folder), KEYPOINTS, rtol=1e-6)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda frames: frames,
        lambda frames: {"frames": frames},
        lambda frames: {str(number): frame for number, frame in enumerate(frames)},
        lambda frames: {"frames": {str(number): frame for number, frame in enumerate(frames)}},
        lambda frames: {f"a_{n:012d}_keypoints.json": f for n, f in reversed([*enumerate(frames)])},
        lambda frames: [{"id": "s", "camera": "a1", "frames": dict(enumerate(frames))}],
    ],
    ids=["list", "under_frames", "numbers", "numbers_under_frames", "file_names", "one_recording"],
)
def test_a_clip_in_one_file_is_read_in_each_of_its_forms(tmp_path, wrap):
    frames = [{"version": 1.3, "people": [one]} for one in PEOPLE]
    np.testing.assert_allclose(read(tmp_path, wrap(frames)), KEYPOINTS, rtol=1e-6)
    (tmp_path / "clip.json.gz").write_bytes(gzip.compress((tmp_path / "clip.json").read_bytes()))
    clip = files.read_clip(tmp_path / "clip.json.gz", fps=25.0)
    np.testing.assert_array_equal(
        clip.positions, read_openpose(tmp_path / "clip.json", 25).positions
    )


def recordings():
    other = [openpose_person(keypoints) for keypoints in signer(FRAMES, x=300)]
    return [
        {
            "id": "1413451",
            "camera": camera,
            "width": 1280,
            "height": 720,
            "frames": {str(number): {"people": [one]} for number, one in enumerate(people)},
        }
        for camera, people in (("a1", PEOPLE), ("b1", other))
    ]


def test_of_several_cameras_the_named_one_is_read(tmp_path):
    found = read(tmp_path, recordings(), camera="a1")
    np.testing.assert_allclose(found, KEYPOINTS, rtol=1e-6)
    assert (read(tmp_path, recordings(), camera="b1")[:, 1, 0] == 300).all()
    with pytest.raises(PoseFormatError, match=r"several cameras in it but a1, b1: .* clip_a1"):
        read(tmp_path, recordings())
    with pytest.raises(PoseFormatError, match=r"no camera 'c' in it but a1, b1"):
        read(tmp_path, recordings(), camera="c")


def test_a_number_that_the_wrapper_leaves_out_is_a_frame_without_anybody(tmp_path):
    wrapped, repairs = recordings()[:1], Repairs()
    del wrapped[0]["frames"]["3"]
    found = read(tmp_path, wrapped, repairs=repairs)
    assert len(found) == FRAMES and not found[3].any() and found[4].any()
    assert repairs == {"frames without a file": 1}


@pytest.mark.parametrize("scale", [lambda part: part, lambda part: 2 * part - 1])
def test_parts_of_a_picture_are_scaled_by_its_size_or_refused(tmp_path, scale):
    parts = KEYPOINTS.copy()
    parts[..., :2] = scale(parts[..., :2] / (1280, 720))
    people = [openpose_person(keypoints) for keypoints in parts]
    for one in people:  # a joint that is not there is (0, 0, 0) at any scale
        one["pose_keypoints_2d"] = [round(number, 6) for number in one["pose_keypoints_2d"]]
    frames = [{"people": [one]} for one in people]
    with pytest.raises(PoseFormatError, match=r"clip\.json: .* are parts .* --picture=WIDTH"):
        read(tmp_path, frames)
    found = read(tmp_path, frames, picture=(1280, 720))
    np.testing.assert_allclose(found[..., :2], KEYPOINTS[..., :2], atol=0.1)
    wrapped = recordings()[:1]
    wrapped[0]["frames"] = {str(number): frame for number, frame in enumerate(frames)}
    np.testing.assert_array_equal(read(tmp_path, wrapped), found)  # it says its picture's size


@pytest.fixture
def large(monkeypatch):
    """Reads every file of a clip as a large one, in small pieces."""
    monkeypatch.setattr(openpose_frames, "LARGE_BYTES", 0)
    monkeypatch.setattr(openpose_frames, "_LARGE_GZ", 0)
    monkeypatch.setattr(json_stream, "_PIECE", 100)
    # a little more than a frame, so that a recording does not fit
    most = 2 * max(len(json.dumps({"people": [one]})) for one in PEOPLE)
    monkeypatch.setattr(openpose_session, "FRAME_BYTES", most)
    return most


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("suffix", [".json", ".json.gz"])
def test_a_large_session_is_read_frame_by_frame(tmp_path, large, indent, suffix):
    content = json.dumps(recordings(), indent=indent)
    if indent:
        content = content.replace(",\n" + " " * 14, ", ")  # an indented frame is a larger one
    path = tmp_path / f"s_openpose{suffix}"
    path.write_bytes(gzip.compress(content.encode()) if suffix[-1] == "z" else content.encode())
    np.testing.assert_allclose(read_openpose_keypoints(path, camera="1a1"), KEYPOINTS, rtol=1e-6)
    assert (read_openpose_keypoints(path, camera="b1")[:, 1, 0] == 300).all()
    with pytest.raises(PoseFormatError, match=r"several cameras in it but a1, b1: .* s_a1"):
        read_openpose_keypoints(path)
    with pytest.raises(PoseFormatError, match=r"no camera 'c' in it but a1, b1"):
        read_openpose_keypoints(path, camera="c")


@pytest.mark.parametrize(
    "wrap",
    [
        lambda frames: frames,
        lambda frames: {"frames": frames},
        lambda frames: {str(number + 7): frame for number, frame in enumerate(frames)},
        lambda frames: {"version": 1, "frames": {str(n): frame for n, frame in enumerate(frames)}},
    ],
)
def test_a_large_clip_is_read_as_a_small_one(tmp_path, large, wrap):
    frames = [{"version": 1.3, "people": [one]} for one in PEOPLE]
    np.testing.assert_allclose(read(tmp_path, wrap(frames)), KEYPOINTS, rtol=1e-6)


def test_a_value_larger_than_a_frame_is_refused(tmp_path, large):
    frames = [{"people": [one]} for one in PEOPLE]
    for value in ({"about": "a" * 2 * large, "frames": frames}, {"0": "a" * 2 * large}):
        with pytest.raises(PoseFormatError, match=r"clip\.json: .* is longer than"):
            read(tmp_path, value)


def test_three_hundred_damaged_large_files_end_in_an_error_or_a_clip(tmp_path, large):
    rng = np.random.default_rng(0)
    content, path, taken = json.dumps(recordings()).encode(), tmp_path / "clip.json", 0
    for _ in range(300):
        path.write_bytes(damaged(content, rng))
        taken += survives(lambda: read_openpose(path, 24.0, Repairs(), camera="a1"), "clip")
    assert 0 < taken < 300


def test_what_macos_adds_to_an_archive_is_no_frame(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number, person in enumerate(PEOPLE):
            name = f"a_{number:012d}_keypoints.json"
            archive.writestr(f"a/{name}", json.dumps({"people": [person]}))
            archive.writestr(f"__MACOSX/a/._{name}", b"\x00\x05\x16\x07")
    np.testing.assert_allclose(read_openpose_keypoints(path), KEYPOINTS, rtol=1e-6)
