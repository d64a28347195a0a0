"""source.json, what parts list, report.json, ids of clips, and files that are written beside."""

import io
import json
import os

import numpy as np
import pytest
from test_clean import waving
from test_schemas import refused

from signllm_jax.artifacts.group import write_file
from signllm_jax.artifacts.report_file import read_report
from signllm_jax.core.errors import DataError
from signllm_jax.core.plain_files import appearing, new_beside, replacing, write_whole
from signllm_jax.corpora.clip_jobs import find_jobs
from signllm_jax.corpora.entries import Entry
from signllm_jax.corpora.prepare import Lost, Settings, make_example
from signllm_jax.corpora.shards import Prepared
from signllm_jax.data.check import _without_pose as without_pose
from signllm_jax.eval import results
from signllm_jax.poses.frames import Repairs
from signllm_jax.render.save import save_clip

EXAMPLE = {"id": "a", "text": "a", "prompt": "a?", "gloss": "A", "signer": "", "split": "train"}
LISTED = {
    "examples": [EXAMPLE | {"frames": 3}],
    "lost": [{"id": "b", "reason": "no text"}],
    "repairs": {"x": 1},
}
TOLD = {
    "settings": {"language": "asl", "source": "x", "layout": "openpose50"},
    "parts": ["part-000000-0.npz"],
}
FIGURES = {"cer": 0.1, "dtw_mean_pose_ratio": 0.1, "hand_travel_ratio": 1.0}
REPORT = {
    "overall": FIGURES,
    "languages": {"asl": FIGURES},
    "rows": {"nearest_train": {"overall": FIGURES}},
    "run": {
        "dataset": "fingerspelling",
        "seed": 0,
        "steps": 5,
        "seconds": 1.0,
        "cpu_seconds": 1.0,
        "total_cpu_seconds": 1.0,
        "versions": {"jax": "1"},
        "hardware": {"cores": 2},
    },
}


def write_part(folder, listed):
    content = io.BytesIO()
    np.savez(
        content,
        listed=np.frombuffer(json.dumps(listed).encode(), np.uint8),
        pose=np.zeros((3, 50, 3), np.float16),
        confidence=np.ones((3, 50), np.float16),
        fps=np.full(1, 25, np.float32),
    )
    (folder / TOLD["parts"][0]).write_bytes(content.getvalue())


def read_all(folder):
    prepared = Prepared(folder)
    return list(prepared.listed()), list(prepared.examples("train"))


def test_every_value_of_a_prepared_source_is_read_or_refused(tmp_path):
    write_part(tmp_path, LISTED)
    counts = refused(tmp_path / "source.json", TOLD, lambda: read_all(tmp_path))
    assert counts["refused"] > 60


def test_every_value_of_a_prepare_report_is_read_or_refused(tmp_path):
    folder = tmp_path / "prepared" / "asl" / "own"
    folder.mkdir(parents=True)
    write_part(folder, LISTED)
    (folder / "source.json").write_text(json.dumps(TOLD))
    report = {"lost": [{"id": "a", "reason": "no pose"}], "clips_in": 1}
    path = folder / "prepare_report.json"
    path.write_text(json.dumps(report))
    assert next(without_pose(tmp_path, "asl")).endswith("a (no pose)")
    counts = refused(path, report, lambda: list(without_pose(tmp_path, "asl")))
    assert counts["refused"] > 60 and counts["read"] > 20


def test_every_value_that_a_part_lists_is_read_or_refused(tmp_path, monkeypatch):
    (tmp_path / "source.json").write_text(json.dumps(TOLD))

    def read():
        write_part(tmp_path, json.loads((tmp_path / "listed").read_text()))
        read_all(tmp_path)

    assert refused(tmp_path / "listed", LISTED, read)["refused"] > 100


@pytest.mark.parametrize("name", ["../part-000000-0.npz", "/etc/hostname", "part-0.npz/../x", "x"])
def test_parts_lie_beside_their_list(tmp_path, name):
    (tmp_path / "source.json").write_text(json.dumps(TOLD | {"parts": [name]}))
    with pytest.raises(DataError, match="no name of a part"):
        Prepared(tmp_path)


def test_every_value_of_a_report_is_read_or_refused(tmp_path):
    path = tmp_path / "report.json"
    path.write_text(json.dumps(REPORT))
    assert "| asl |" in results.summary(results.read_reports([str(tmp_path)]))
    counts = refused(path, REPORT, lambda: results.summary(results.read_reports([str(tmp_path)])))
    assert counts["refused"] > 150 and counts["read"] > 20
    path.write_text("[" * 100_000)
    with pytest.raises(DataError, match="nested too deeply"):
        read_report(path)


LONG, OUT = "x" * 300, "../secret"


@pytest.mark.parametrize("form", ["openpose", "dwpose", "pose"])
@pytest.mark.parametrize(
    "name", [LONG, "é" * 150, OUT, "a/../../secret", ".", "a//b", "a\0b"], ids=repr
)
def test_an_id_that_is_no_name_below_the_source_costs_its_clip(tmp_path, form, name):
    for suffix in ("", ".npz", ".pose"):
        (tmp_path / f"secret{suffix}").write_bytes(b"not of the corpus")
    (tmp_path / "source").mkdir()
    (job,) = find_jobs([Entry(name, "text", split="train")], form, tmp_path / "source").jobs
    assert job.path == ""
    settings = Settings(format=form, language="asl", source="x", fps=25.0)
    with pytest.raises(Lost, match="no name of a file"):
        make_example(job, settings, Repairs())


def write_by_group(path):
    write_file(path, b"new")


def write_by_parts(path):
    write_whole(path, b"new")


def write_by_beside(path):
    with replacing(path) as part, open(part, "wb") as file:
        file.write(b"new")


@pytest.mark.parametrize("write", [write_by_group, write_by_parts, write_by_beside])
def test_no_link_that_waits_beside_a_file_is_followed(tmp_path, write):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in (f".file.{os.getpid()}", "file.partial", f"file.{os.getpid()}.partial"):
        (folder / name).symlink_to(victim)
    write(folder / "file")
    assert victim.read_text() == "mine"
    assert (folder / "file").read_bytes() == b"new" and not (folder / "file").is_symlink()


def test_no_link_that_waits_beside_a_clip_is_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / f".clip.{os.getpid()}.html").symlink_to(victim)
    save_clip(tmp_path / "clip.html", waving(8))
    assert victim.read_text() == "mine"


def test_a_file_of_the_longest_name_is_written(tmp_path):
    name = "x" * 250 + ".html"
    save_clip(tmp_path / name, waving(8))
    write_by_beside(tmp_path / ("y" * 255))
    assert len(list(tmp_path.iterdir())) == 2


def test_names_beside_are_new_each_time_and_have_the_usual_rights(tmp_path):
    one, other = new_beside(tmp_path / "file"), new_beside(tmp_path / "file")
    assert one != other
    (tmp_path / "plain").touch()
    assert os.stat(one).st_mode == os.stat(tmp_path / "plain").st_mode


def test_a_folder_appears_when_it_is_whole_and_touches_nothing_beside_it(tmp_path):
    mine = tmp_path / f".out.{os.getpid()}"
    mine.mkdir()
    with pytest.raises(KeyError), appearing(tmp_path / "out", DataError) as folder:
        (folder / "file").write_text("half")
        assert not (tmp_path / "out").exists()
        raise KeyError
    assert list(tmp_path.iterdir()) == [mine]
    with appearing(tmp_path / "out", DataError) as folder:
        (folder / "file").write_text("whole")
    assert (tmp_path / "out" / "file").read_text() == "whole"
    with (
        pytest.raises(DataError, match="cannot be written"),
        appearing(tmp_path / "out", DataError),
    ):
        pass
    assert sorted(tmp_path.iterdir()) == [mine, tmp_path / "out"]
