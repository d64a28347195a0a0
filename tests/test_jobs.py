"""Where the clips of a corpus lie, and what is said of those that do not."""

import json
import unicodedata

import numpy as np
import pytest
from test_clean import waving

from signllm_jax.core.errors import ConfigError, DataError
from signllm_jax.corpora.clip_jobs import find_jobs
from signllm_jax.corpora.entries import Entry
from signllm_jax.corpora.prepare import Settings
from signllm_jax.data.prepare_corpus import prepare_corpus, read_share
from signllm_jax.poses.openpose import read_openpose_keypoints, write_openpose
from signllm_jax.poses.pose_file import write_pose_file

ASL = Settings("asl", "t", "pose")


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def places(folder, form, *entries):
    return [job.path.removeprefix(f"{folder}/") for job in find_jobs(entries, form, folder).jobs]


def test_names_are_compared_composed_and_without_suffixes(tmp_path):
    composed, apart = (unicodedata.normalize(form, "grün") for form in ("NFC", "NFD"))
    touch(tmp_path, f"{apart}.pose", "a.b.pose")
    assert places(tmp_path, "pose", Entry(composed, "")) == [f"{apart}.pose"]
    assert places(tmp_path, "pose", Entry("a.b", "")) == ["a.b.pose"]


def test_suffixes_and_names_of_frames_are_read_in_any_case_and_form(tmp_path):
    touch(tmp_path, "A.POSE", "._A.POSE")
    found = find_jobs([Entry("A", "")], "pose", tmp_path)
    assert "--format" not in found.there
    assert [job.path for job in found.jobs] == [f"{tmp_path}/A.POSE"] and len(found.ignored) == 1
    write_openpose(tmp_path / "clip.json", waving(10))
    for number, frame in enumerate(json.loads((tmp_path / "clip.json").read_text())):
        touch(tmp_path, f"clip/frame{number}_keypoints.json")
        (tmp_path / f"clip/frame{number}_keypoints.json").write_text(json.dumps(frame))
    one, many = (read_openpose_keypoints(tmp_path / name) for name in ("clip.json", "clip"))
    np.testing.assert_array_equal(one, many)


def test_a_clip_lies_below_its_split_or_anywhere_where_its_name_is_there_once(tmp_path):
    touch(tmp_path, "train/x.pose", "dev/x.pose", "poses/y.pose", "p/z.pose", "q/z.pose")
    found = find_jobs(
        [
            Entry("x", "", split="train"),
            Entry("x", "", split="dev"),
            Entry("train/y", ""),
            Entry("z", ""),
            Entry("q/z", ""),
            Entry("r/z", ""),
        ],
        "pose",
        tmp_path,
    )
    assert [job.path.removeprefix(f"{tmp_path}/") for job in found.jobs] == [
        *("train/x.pose", "dev/x.pose", "poses/y.pose", "", "q/z.pose", ""),
    ]
    assert [job.lacking for job in found.jobs] == ["", "", "", "2 files of that name", "", ""]
    assert [path.removeprefix(f"{tmp_path}/") for path in found.unlisted] == ["p/z.pose"]


def test_dwpose_lies_in_a_file_a_clip_a_file_a_frame_or_one_file_a_video(tmp_path):
    touch(tmp_path, "a.npz", "b/1.npz", "b/2.npz", "train/c.npz", "train/d.npz")
    touch(tmp_path, "VID/npz/poses.npz")
    entries = [Entry(name, "") for name in ("a", "b", "train/c", "VID")]
    assert places(tmp_path, "dwpose", *entries) == [
        "a.npz",
        "b",
        "train/c.npz",
        "VID/npz/poses.npz",
    ]
    unlisted = find_jobs(entries, "dwpose", tmp_path).unlisted
    assert [path.removeprefix(f"{tmp_path}/") for path in unlisted] == ["train/d.npz"]


def test_a_segment_is_cut_from_its_file_unless_a_file_has_its_name(tmp_path):
    touch(tmp_path, "v.pose", "w_0-1.pose", "w.pose")
    jobs = find_jobs(
        [
            Entry("v_0-1", "", files=("v",), start=0, end=1),
            Entry("v_1-2", "", files=("v",), start=1, end=2),
            Entry("w_0-1", "", files=("w",), start=0, end=1),
        ],
        "pose",
        tmp_path,
    ).jobs
    assert [(job.cut, job.first) for job in jobs] == [(True, True), (True, False), (False, True)]


def test_files_of_macos_are_no_clips_and_counted(tmp_path):
    touch(tmp_path, "a.pose", "._a.pose", "__MACOSX/b.pose")
    found = find_jobs([Entry("a", "")], "pose", tmp_path)
    assert not found.unlisted
    assert [path.removeprefix(f"{tmp_path}/") for path in found.ignored] == ["._a.pose"]


def test_files_of_macos_and_empty_frames_cost_nothing_but_their_frame(tmp_path):
    write_openpose(tmp_path / "clip.json", waving(10))
    frames = json.loads((tmp_path / "clip.json").read_text())
    folder = tmp_path / "clip"
    folder.mkdir()
    for number, frame in enumerate(frames):
        (folder / f"clip_{number:012d}_keypoints.json").write_text(json.dumps(frame))
    whole = read_openpose_keypoints(folder)
    touch(folder, "._clip_000000000003_keypoints.json", "clip_000000000004_keypoints.json")
    read = read_openpose_keypoints(folder)
    assert not read[4].any()
    assert (read[[*range(4), *range(5, 10)]] == whole[[*range(4), *range(5, 10)]]).all()


def test_what_is_missing_says_what_was_looked_for_and_what_is_there(tmp_path):
    (tmp_path / "src").mkdir()
    touch(tmp_path / "src", "a.mp4", "b.mp4", "c.npz")
    (tmp_path / "all.csv").write_text("id,text\nx,hello\n")
    told = r"no pose file for any of 1 clips: looked for x\.pose; there are 2 \.mp4, 1 \.npz"
    with pytest.raises(DataError, match=told):
        prepare_corpus(ASL, tmp_path / "src", tmp_path, manifest=tmp_path / "all.csv")
    for name in ("a", "b"):
        write_pose_file(tmp_path / "src" / f"{name}.pose", waving(30))
    (tmp_path / "all.csv").write_text("id,text,split\nx,hello,train\na,bye,train\n")
    report = prepare_corpus(ASL, tmp_path / "src", tmp_path, manifest=tmp_path / "all.csv")
    assert report["missing"] == "looked for x.pose; there are 2 clips, such as a.pose, b.pose"
    assert report["lost"] == [
        {"id": "x", "reason": "no pose file", "split": "train", "looked_for": "x.pose"}
    ]
    assert (report["clips_in"], report["clips_out"]) == (2, 1)  # b.pose is in no row


def test_too_many_bad_clips_stop_the_preparing_before_anything_is_written(tmp_path):
    (tmp_path / "src").mkdir()
    write_pose_file(tmp_path / "src" / "a.pose", waving(30))
    (tmp_path / "src" / "b.pose").write_bytes(b"damaged")
    manifest = tmp_path / "all.csv"

    def prepare(max_bad):
        return prepare_corpus(
            ASL, tmp_path / "src", tmp_path / "data", manifest=manifest, max_bad=max_bad
        )

    manifest.write_text("id,text,split\na,x,train\n,y,train\na,x,train\nc,z,extra\nd,w,train\n")
    told = "4 of 5 clips are bad, more than --max_bad=5%: .*1 no id"
    with pytest.raises(DataError, match=told):
        prepare(0.05)
    assert not (tmp_path / "data").exists()
    manifest.write_text("id,text,split\na,x,train\nb,y,train\n")
    with pytest.raises(DataError, match="1 of 2 clips are bad, more than --max_bad=5%"):
        prepare(0.05)
    assert not list((tmp_path / "data").rglob("source.json"))
    assert prepare(0.5)["clips_out"] == 1


@pytest.mark.parametrize("value", ["5", "101%", "-1%", "many%"])
def test_the_limit_is_a_share(value):
    assert read_share("5%") == 0.05
    with pytest.raises(ConfigError, match="--max_bad is a share such as 5%"):
        read_share(value)


def test_a_folder_of_another_format_is_told_apart(tmp_path):
    for name in ("a.json", "b.json", "notes.txt"):
        (tmp_path / name).touch()
    found = find_jobs([Entry("a", "")], "pose", tmp_path)
    assert found.there == "there are 2 .json, 1 .txt; is it --format=openpose?"
    assert "--format" not in find_jobs([Entry("c", "")], "openpose", tmp_path).there
