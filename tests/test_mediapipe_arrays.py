"""MediaPipe's landmarks as plain arrays in SIGN/TAKE/FRAME.npy folders."""

import numpy as np
import pytest
from signers import signer

from signllm_jax.core.errors import ConfigError, DataError, PoseFormatError
from signllm_jax.core.skeleton import OPENPOSE50
from signllm_jax.corpora.clip_jobs import Job, find_jobs
from signllm_jax.corpora.entries import Entry
from signllm_jax.corpora.manifest import Reading
from signllm_jax.corpora.pose_formats import picture_size
from signllm_jax.corpora.prepare import Settings, make_example
from signllm_jax.corpora.takes import takes_in
from signllm_jax.data.prepare_corpus import prepare_corpus
from signllm_jax.poses.budget import BUDGET
from signllm_jax.poses.frames import Repairs
from signllm_jax.poses.mediapipe_arrays import read_mediapipe

FRAMES, PICTURE = 12, (1280, 720)
SIGNER = signer(FRAMES)
ROWS = {"nose": 0, "left_shoulder": 11, "right_shoulder": 12, "left_elbow": 13, "right_elbow": 14}
ROWS |= {"left_wrist": 15, "right_wrist": 16}


def numbers(size=1662, keypoints=SIGNER):
    """[T, size]: body, face, left and right hand, parts of the picture."""
    parts = keypoints[..., :2] / PICTURE
    body = np.zeros((len(parts), 33, 4))
    for joint, row in ROWS.items():
        body[:, row, :2] = parts[:, OPENPOSE50.index(joint)]
        body[:, row, 3] = 0.9
    sides = slice(8, 29), slice(29, 50)
    hands = [np.pad(parts[:, joints], [(0, 0), (0, 0), (0, 1)]) for joints in sides]
    face = np.full((len(parts), 468 if size == 1662 else 0, 3), 0.5)
    return np.concatenate([part.reshape(len(parts), -1) for part in (body, face, *hands)], axis=1)


def write(folder, frames):
    folder.mkdir(parents=True)
    for number, frame in enumerate(frames):
        np.save(folder / f"{number}.npy", frame)
    return folder


def expected():
    flat = SIGNER[..., :2]
    neck = (flat[:, 2] + flat[:, 5]) / 2
    return (flat - np.median(neck, axis=0)) / np.linalg.norm(flat[0, 2] - flat[0, 5])


@pytest.mark.parametrize("size", [1662, 258])
def test_a_folder_of_frames_is_a_clip_in_shoulder_widths(tmp_path, size):
    assert numbers(size).shape == (FRAMES, size)
    clip = read_mediapipe(write(tmp_path / "a", numbers(size)), 15.0, PICTURE)
    joints = [joint for joint in range(50) if joint != OPENPOSE50.index("neck")]
    np.testing.assert_allclose(clip.positions[:, joints, :2], expected()[:, joints], atol=1e-5)
    assert clip.fps == 15 and len(clip) == FRAMES and clip.observed.all()
    np.save(tmp_path / "b.npy", numbers(size))  # all frames in one array
    whole = read_mediapipe(tmp_path / "b.npy", 15.0, PICTURE)
    np.testing.assert_array_equal(whole.positions, clip.positions)


def test_what_was_not_found_is_missing_and_keeps_its_time(tmp_path):
    frames, repairs = numbers(), Repairs()
    frames[3, -63:] = 0  # no right hand
    frames[5] = 0  # nobody
    folder = write(tmp_path / "a", frames)
    (folder / "7.npy").unlink()
    clip = read_mediapipe(folder, 15.0, PICTURE, repairs)
    assert not clip.observed[3, 29:].any() and clip.observed[3, :29].all()
    assert clip.observed.any(axis=1).tolist() == [f not in (5, 7) for f in range(FRAMES)]
    assert repairs == {"frames without a file": 1, "frames without a person": 2}


def test_without_the_pictures_size_the_take_is_refused(tmp_path):
    with pytest.raises(PoseFormatError, match="give --picture=WIDTHxHEIGHT"):
        read_mediapipe(write(tmp_path / "a", numbers()), 15.0, None)
    with pytest.raises(ConfigError, match="mediapipe does not store the picture's size"):
        Settings("asl", "t", "mediapipe", fps=15.0)
    with pytest.raises(ConfigError, match="mediapipe does not store frames per second"):
        Settings("asl", "t", "mediapipe", picture=PICTURE)


def test_arrays_of_other_sizes_or_kinds_are_refused_by_name(tmp_path):
    folder = write(tmp_path / "a", numbers()[:, :126])
    with pytest.raises(PoseFormatError, match=r"a: frames of 126 numbers, not of 1662 or of 258"):
        read_mediapipe(folder, 15.0, PICTURE)
    (folder / "0.npy").write_bytes(b"nothing")
    with pytest.raises(PoseFormatError, match=r"0\.npy: no array"):
        read_mediapipe(folder, 15.0, PICTURE)
    np.save(tmp_path / "b.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(PoseFormatError, match=r"b\.npy: no array of numbers"):
        read_mediapipe(tmp_path / "b.npy", 15.0, PICTURE)
    with pytest.raises(PoseFormatError, match="last longer than"):
        read_mediapipe(write(tmp_path / "c", numbers()), 0.001, PICTURE, budget=BUDGET)


def test_the_folder_of_a_sign_is_its_text(tmp_path):
    for take in ("hello/0", "hello/1", "thank_you/0"):
        write(tmp_path / take, numbers()[:2])
    entries = takes_in(tmp_path)
    assert [(entry.id, entry.text) for entry in entries] == [
        ("hello/0", "hello"),
        ("hello/1", "hello"),
        ("thank_you/0", "thank you"),
    ]
    found = find_jobs(entries, "mediapipe", tmp_path)
    assert all(job.path for job in found.jobs) and found.unlisted == []
    for folder in (tmp_path / "hello" / "0", tmp_path / "hello"):  # which name no sign
        with pytest.raises(DataError, match=r"no SIGN/TAKE/FRAME\.npy or SIGN/TAKE\.npy"):
            takes_in(folder)


def test_a_take_may_be_one_file_in_the_folder_of_its_sign(tmp_path):
    (tmp_path / "hello").mkdir()
    for take in ("0", "1"):
        np.save(tmp_path / "hello" / f"{take}.npy", numbers())
    (tmp_path / "hello" / "2.npy").write_bytes(b"damaged")
    entries = takes_in(tmp_path)
    assert [(entry.id, entry.text) for entry in entries] == [
        (f"hello/{take}", "hello") for take in "012"
    ]
    found = find_jobs(entries, "mediapipe", tmp_path)
    assert all(job.path for job in found.jobs) and found.unlisted == []
    job = Job(entries[0], found.jobs[0].path)
    settings = Settings("asl", "takes", "mediapipe", fps=25.0, picture=PICTURE)
    assert len(make_example(job, settings, Repairs())[1]) == FRAMES


def test_what_says_how_labels_are_read_is_refused_where_folders_are_the_labels(tmp_path):
    write(tmp_path / "src" / "hello" / "0", numbers())
    settings = Settings("asl", "takes", "mediapipe", fps=25.0, picture=PICTURE)
    for reading, flag in (
        (Reading(columns=(("text", "word"),)), "--text_column"),
        (Reading(encoding="cp949"), "--encoding"),
    ):
        with pytest.raises(ConfigError, match=f"{flag} has no meaning for the folders SIGN/TAKE"):
            prepare_corpus(settings, tmp_path / "src", tmp_path / "data", reading=reading)


def test_a_take_is_prepared(tmp_path):
    write(tmp_path / "hello" / "0", numbers())
    settings = Settings("asl", "takes", "mediapipe", fps=25.0, picture=PICTURE)
    job = Job(Entry("hello/0", "hello"), str(tmp_path / "hello" / "0"))
    example, clip = make_example(job, settings, Repairs())
    assert example["text"] == "hello" and len(clip) == FRAMES and clip.fps == 25
    np.testing.assert_allclose(clip.positions[:, 2:, :2], expected()[:, 2:], atol=0.1)


@pytest.mark.parametrize("text", ["1280", "axb", "1280x", "0x720", "1280x720x3", "-1x5"])
def test_a_picture_is_given_by_width_and_height(text):
    assert picture_size("1280x720") == picture_size("1280X720") == (1280, 720)
    with pytest.raises(ConfigError, match="--picture is WIDTHxHEIGHT"):
        picture_size(text)
