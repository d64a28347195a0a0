"""What one clip may cost: every reader asks before it builds, and opens regular files only.

The inputs are small; the budgets are lowered.
"""

import dataclasses
import json
import os
import pickle
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from test_npz import pickled
from test_openpose import made_clip, person, write_frame

from signllm_jax.artifacts.group import load_group
from signllm_jax.core.errors import DataError, PoseFormatError
from signllm_jax.corpora.manifest import read_manifest
from signllm_jax.corpora.shards import Prepared
from signllm_jax.poses import files, skels_lines
from signllm_jax.poses.arrays import write_arrays
from signllm_jax.poses.budget import BUDGET
from signllm_jax.poses.clean import clean
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.dwpose import write_dwpose
from signllm_jax.poses.npz import load_npz
from signllm_jax.poses.openpose import read_openpose, write_openpose
from signllm_jax.poses.pose_file import read_pose_file, read_pose_keypoints, write_pose_file
from signllm_jax.poses.safe_pickle import Refused, read_pickle
from signllm_jax.poses.skels import read_skels, write_skels

FRAMES = 7  # of the clips written here
FORMS = ("npz", "dwpose.npz", "pose", "json", "zip", "skels", "openpose", "dwpose")


def wide_clip():
    rng = np.random.default_rng(0)
    positions = rng.uniform(0, 1, (FRAMES, 128, 3)).astype(np.float32)
    return PoseClip(positions, np.ones((FRAMES, 128), np.float32), 25.0, "dwpose128")


def written(folder, form):
    """A clip of FRAMES frames in a form, and how it is read with a budget and a rate."""
    path = folder / f"clip.{form}"
    if form == "npz":
        write_arrays(path, made_clip(FRAMES))
    elif form == "pose":
        write_pose_file(path, made_clip(FRAMES), "holistic")
    elif form == "skels":
        write_skels(path, [made_clip(FRAMES)])
    elif form.startswith("dwpose"):
        write_dwpose(path, wide_clip())
    else:
        write_openpose(path, made_clip(FRAMES))

    def read(budget, fps=25.0):
        if form == "openpose":
            return read_openpose(path, fps, budget=budget)
        if form == "dwpose":
            from signllm_jax.poses.dwpose import read_dwpose

            return read_dwpose(path, fps, budget=budget)
        return files.read_clip(path, fps, budget=budget)

    return path, read


@pytest.mark.parametrize("form", FORMS)
def test_every_reader_refuses_more_frames_than_a_clip_may_have(tmp_path, form):
    path, read = written(tmp_path, form)
    assert len(read(dataclasses.replace(BUDGET, frames=FRAMES))) == FRAMES
    with pytest.raises(PoseFormatError, match=r"7 frames are more than the 6 of a clip") as error:
        read(dataclasses.replace(BUDGET, frames=FRAMES - 1))
    assert path.name in str(error.value)


@pytest.mark.parametrize("form", FORMS)
def test_every_reader_refuses_more_bytes_than_a_clip_may_have(tmp_path, form):
    path, read = written(tmp_path, form)
    with pytest.raises(PoseFormatError, match=r"bytes") as error:
        read(dataclasses.replace(BUDGET, bytes=400))
    assert path.name in str(error.value)


@pytest.mark.parametrize("form", ["dwpose.npz", "json", "zip", "skels", "openpose", "dwpose"])
def test_every_reader_refuses_a_clip_that_lasts_too_long_at_the_given_rate(tmp_path, form):
    _, read = written(tmp_path, form)
    with pytest.raises(PoseFormatError, match=r"7 frames at 0\.001 a second last longer than"):
        read(BUDGET, fps=0.001)


@pytest.mark.parametrize("form", ["npz", "pose"])
def test_every_reader_refuses_a_clip_that_lasts_too_long_at_the_stored_rate(tmp_path, form):
    path = tmp_path / f"clip.{form}"
    slow = dataclasses.replace(made_clip(FRAMES), fps=0.001)
    (write_arrays if form == "npz" else write_pose_file)(path, slow)
    with pytest.raises(PoseFormatError, match=r"clip.*7 frames at 0\.001 a second last longer"):
        files.read_clip(path, 25.0)
    if form == "pose":
        with pytest.raises(PoseFormatError, match="last longer than the 2100 seconds"):
            read_pose_keypoints(path)


def test_a_clip_is_not_resampled_to_more_frames_than_it_may_have():
    slow = dataclasses.replace(made_clip(FRAMES), fps=0.001)
    with pytest.raises(PoseFormatError, match=r"7 frames at 0\.001 a second last longer"):
        clean(slow, source="slow")


def test_a_pose_file_of_too_many_points_or_people_is_refused_before_its_body_is_read(tmp_path):
    path, _ = written(tmp_path, "pose")
    with pytest.raises(PoseFormatError, match="75 points are more than the 74"):
        read_pose_file(path, budget=dataclasses.replace(BUDGET, points=74))
    with pytest.raises(PoseFormatError, match="1 people are more than the 0"):
        read_pose_file(path, budget=dataclasses.replace(BUDGET, people=0))


def test_a_pose_file_of_version_0_is_refused_by_the_number_of_its_frames(tmp_path):
    path, _ = written(tmp_path, "pose")
    content = path.read_bytes()
    body = content.rindex(struct.pack("<fIH", 24.0, FRAMES, 1))
    first = struct.pack("<f", 0.0) + content[4:body] + struct.pack("<HH", 25, 40)
    path.write_bytes(first + bytes(2 * 40))  # forty empty frames
    with pytest.raises(PoseFormatError, match="40 frames are more than the 39"):
        read_pose_file(path, budget=dataclasses.replace(BUDGET, frames=39))
    with pytest.raises(PoseFormatError, match="108000 bytes are more than the 100000"):
        read_pose_file(path, budget=dataclasses.replace(BUDGET, bytes=100_000))


def test_a_frame_of_many_empty_people_is_refused(tmp_path):
    write_frame(tmp_path / "clip", 0, person(), {}, {}, {})
    with pytest.raises(PoseFormatError, match=r"clip_0_.*: 4 people are more than the 3"):
        read_openpose(tmp_path / "clip", 25.0, budget=dataclasses.replace(BUDGET, people=3))


def test_json_is_refused_before_it_is_parsed_where_it_would_grow(tmp_path, monkeypatch):
    path = tmp_path / "clip.json"
    path.write_text(json.dumps([{"people": [{}] * 100}]))
    monkeypatch.setattr(json, "loads", lambda text: pytest.fail("it was parsed"))
    with pytest.raises(PoseFormatError, match=r"clip\.json: JSON that takes \d+ bytes of memory"):
        files.read_clip(path, 25.0, budget=dataclasses.replace(BUDGET, bytes=10_000))


@pytest.mark.parametrize(
    "marks", ["[" + "1.5," * 5000 + "1]", "[" + "{}," * 5000 + "1]", "[" + "[]," * 5000 + "1]"]
)
def test_parsed_json_takes_no_more_memory_than_was_asked_for(marks):
    asked = {}

    for limit in range(0, 2_000_000, 10_000):
        try:
            dataclasses.replace(BUDGET, bytes=limit).ask_json(marks.encode(), "clip")
        except PoseFormatError:
            continue
        asked["bytes"] = limit
        break
    tracemalloc.start()
    kept = json.loads(marks)
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(kept) == 5001
    assert used < asked["bytes"] < 4 * used


@pytest.mark.parametrize(
    "program",
    [
        b"\x80\x04" + b"]" * 2000 + b".",
        b"\x80\x04" + b"}" * 2000 + b".",
        b"\x80\x04" + b"(" * 2000 + b".",
        b"\x80\x04]" + b"\x94" * 2000 + b".",
        b"\x80\x04](" + b"N" * 2000 + b"e.",
        b"\x80\x04](" + b"K\x07" * 2000 + b"e.",
        b"\x80\x04}(" + b"\x8c\x01aN" * 2000 + b"u.",
        b"\x80\x04](" + b"cnumpy.core.multiarray\n_reconstruct\n)R" * 500 + b"e.",
        b"\x80\x04](" + (b"B" + struct.pack("<I", 500) + bytes(500)) * 50 + b"e.",
        b"\x80\x04](" + (b"\x8c\xff" + b"a" * 255) * 100 + b"e.",
    ],
    ids=[
        "lists",
        "dicts",
        "marks",
        "memos",
        "nothings",
        "numbers",
        "items",
        "arrays",
        "bytes",
        "texts",
    ],
)
def test_a_pickle_that_grows_beyond_its_budget_is_stopped_on_the_way(program):
    limit = 15_000
    tracemalloc.start()
    with pytest.raises(Refused, match="grows beyond 15000 bytes"):
        read_pickle(program, limit)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * limit


def test_what_a_pickle_shares_is_counted_each_time_that_it_is_copied():
    shared = [0.5] * 100
    program = pickle.dumps([shared] * 100, 4)
    assert len(read_pickle(program, 1_000_000)) == 100
    with pytest.raises(Refused, match="grows beyond 60000 bytes"):
        read_pickle(program, 60_000)


def test_a_clip_of_pickled_frames_is_refused_by_name(tmp_path):
    path = pickled(tmp_path / "a.npz", b"\x80\x04" + b"]\x94" * 3000 + b".")
    with pytest.raises(PoseFormatError, match=r"a\.npz: member 'person_0': a pickle that grows"):
        files.read_clip(path, 25.0, budget=dataclasses.replace(BUDGET, bytes=100_000))


@pytest.mark.parametrize("suffix", ["npz", "zip"])
def test_an_archive_is_asked_for_its_members_and_bytes_before_it_is_unpacked(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(20):
            archive.writestr(f"a_{number}_keypoints.json", bytes(1000))
    for limits, message in (
        ({"members": 19}, "20 members are more than the 19"),
        ({"bytes": 19_999}, "20000 bytes are more than the 19999"),
        ({"members": 3}, r"its list of files: \d+ members are more than the 3"),
    ):
        with pytest.raises(PoseFormatError, match=rf"a\.{suffix}: {message}"):
            files.read_clip(path, 25.0, budget=dataclasses.replace(BUDGET, **limits))


def test_an_archive_whose_members_are_larger_than_they_say_is_refused(tmp_path):
    path, announced = tmp_path / "a.zip", (30_000).to_bytes(4, "little")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a_0_keypoints.json", b" " * 30_000)
    content = path.read_bytes()
    assert content.count(announced) == 2
    path.write_bytes(content.replace(announced, (100).to_bytes(4, "little")))
    with pytest.raises(PoseFormatError, match=r"a\.zip"):
        files.read_clip(path, 25.0, budget=dataclasses.replace(BUDGET, bytes=10_000))


def test_the_lines_of_a_skels_file_are_counted(tmp_path, monkeypatch):
    (tmp_path / "a.skels").write_text("\n" * 11)
    assert len(skels_lines.line_offsets(tmp_path / "a.skels")) == 11
    monkeypatch.setattr(skels_lines, "MAX_LINES", 10)
    with pytest.raises(PoseFormatError, match=r"a\.skels: more than 10 lines"):
        skels_lines.line_offsets(tmp_path / "a.skels")


def test_a_line_of_one_endless_number_is_refused(tmp_path):
    (tmp_path / "a.skels").write_text("1" * (2**20 + 1001))
    with pytest.raises(PoseFormatError, match=r"line 1: a number of more than 1000 letters"):
        list(read_skels(tmp_path / "a.skels", 25.0))


@pytest.mark.parametrize(
    "read",
    [
        lambda path: files.read_clip(path.rename(path.with_suffix(".npz")), 25.0),
        lambda path: files.read_clip(path.rename(path.with_suffix(".pose")), 25.0),
        lambda path: files.read_clip(path.rename(path.with_suffix(".skels")), 25.0),
        lambda path: files.read_clip(path.rename(path.with_suffix(".json")), 25.0),
        lambda path: files.read_clip(path.rename(path.with_suffix(".zip")), 25.0),
        lambda path: read_openpose(path.rename(path.with_name("a_0_keypoints.json")).parent, 25.0),
        lambda path: skels_lines.line_offsets(path),
        lambda path: skels_lines.read_skels_line(path, 0, 1, 25.0),
        lambda path: read_pose_keypoints(path),
        lambda path: load_npz(path),
    ],
    ids=[
        "npz",
        "pose",
        "skels",
        "json",
        "zip",
        "frame",
        "offsets",
        "line",
        "keypoints",
        "load_npz",
    ],
)
def test_a_fifo_is_refused_and_not_waited_for(tmp_path, read):
    os.mkfifo(tmp_path / "a")
    with pytest.raises(PoseFormatError, match="not a regular file"):
        read(tmp_path / "a")


def test_a_device_is_refused(tmp_path):
    (tmp_path / "a.npz").symlink_to("/dev/zero")
    with pytest.raises(PoseFormatError, match="not a regular file"):
        load_npz(tmp_path / "a.npz")


def test_texts_parts_and_groups_are_regular_files(tmp_path):
    for name in ("train.files", "source.json", "group.json"):
        os.mkfifo(tmp_path / name)
    for read in (read_manifest, Prepared, load_group):
        with pytest.raises(Exception, match=r"(not a|no) regular file") as error:
            read(tmp_path)
        assert isinstance(error.value, DataError) or read is load_group
