"""Another system that signs the same texts stands as a row beside the others."""

import dataclasses
import json
import sys

import numpy as np
import pytest
import test_report

from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.errors import ConfigError, DataError
from signllm_jax.eval import eval_set, pages, peers, warnings
from signllm_jax.eval.flat import flatten_languages
from signllm_jax.eval.peers import Peer
from signllm_jax.eval.pose_report import evaluate
from signllm_jax.eval.report import Report, report_path
from signllm_jax.poses.pose_file import write_pose_file

words, workdir = test_report.words, test_report.workdir  # fixtures


@pytest.fixture
def languages(workdir, words):
    return eval_set.open_texts(eval_set.Workdir(workdir), "test").languages


def test_a_peer_is_known_and_has_an_environment(tmp_path):
    with pytest.raises(ConfigError, match="unknown peer 'nobody': known are spoken-to-signed"):
        Peer("nobody", sys.executable)
    with pytest.raises(ConfigError, match="make signed-peer-env"):
        Peer("spoken-to-signed", str(tmp_path / "python"))
    with pytest.raises(ConfigError, match=r"no index\.csv"):
        Peer("spoken-to-signed", sys.executable, str(tmp_path))


def test_a_peer_that_fails_is_one_line(languages, tmp_path):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no such package >&2\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(DataError, match=r"the peer spoken-to-signed failed in .*no such package"):
        peers.sign(Peer("spoken-to-signed", str(broken)), languages)


def test_no_module_of_ours_hides_one_of_the_peers_environment(languages, tmp_path):
    bare = tmp_path / "python"  # as a fresh environment, it has imported hardly anything yet
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    bare.chmod(0o755)
    with pytest.raises(DataError, match="No module named 'spoken_to_signed'"):
        peers.sign(Peer("spoken-to-signed", str(bare)), languages)


def test_what_a_peer_cannot_sign_costs_that_text(languages, tmp_path):
    (tmp_path / "errors.json").write_text(
        json.dumps({"versions": {}, "errors": ["E: none for a"] * 8})
    )
    stub = tmp_path / "python"
    stub.write_text(f"#!/bin/sh\ncat {tmp_path / 'errors.json'}\n")
    stub.chmod(0o755)
    peer = Peer("spoken-to-signed", str(stub))
    clips = peers.sign(peer, languages)
    assert clips == {"asl": [None] * 4, "tsl": [None] * 4}
    assert peer.failed == {"E: none": 8}


def signing(folder, clips):
    """A peer that writes these clips in turn, whatever it is asked."""
    for number, clip in enumerate(clips):
        write_pose_file(folder / f"{number}.pose", clip, "holistic")
    stub = folder / "python"
    stub.write_text(
        f"""#!{sys.executable}
import json, shutil, sys
jobs = json.load(sys.stdin)
for number, job in enumerate(jobs):
    shutil.copy(f"{folder}/{{number % {len(clips)}}}.pose", job["output"])
print(json.dumps({{"versions": {{"spoken-to-signed": "0.4"}}, "errors": [""] * len(jobs)}}))
"""
    )
    stub.chmod(0o755)
    return Peer("spoken-to-signed", str(stub))


def test_a_clip_without_shoulders_has_no_scale_and_is_told(languages, tmp_path):
    whole = languages["asl"].references[0]
    hidden = dataclasses.replace(whole, confidence=whole.confidence.copy())
    hidden.confidence[:, [2, 5]] = 0
    peer = signing(tmp_path, [whole, hidden])
    clips = peers.sign(peer, languages)
    assert [clip is None for clip in clips["asl"]] == [False, True, False, True]
    assert not clips["asl"][0].positions[..., 2].any()
    reason = "no frame shows both shoulders"
    assert peer.failed == {reason: 4} and peer.versions == {"spoken-to-signed": "0.4"}
    notes = warnings.of_clips(test_report.CONFIG, [], {"": {}}, {}, peer=peer)
    assert f"spoken-to-signed has no clip of 4 texts: {reason}." in notes


def test_the_report_of_a_peer_stands_beside_the_others(tmp_path):
    run = Workdir(tmp_path)
    names = {
        report_path(run, split, None, predictions, peer).name
        for split in ("test", "dev")
        for predictions in (None, "theirs.skels")
        for peer in ("", "spoken-to-signed")
    }
    assert len(names) == 8
    assert {"report.json", "report-dev.json", "report-theirs.json"} < names
    assert "report-dev-spoken-to-signed.json" in names
    assert report_path(run, "test", tmp_path / "x.json", None, "p") == tmp_path / "x.json"


def test_its_row_has_its_own_name():
    run = {key: 0 for key in ("seed", "steps", "evaluation_seconds", "evaluation_cpu_seconds")}
    run |= {"name": "n", "dataset": "d", "size": "s", "hardware": {}, "versions": {}}
    rows = {row: {"": {"dtw": 1.0}} for row in ("produced", "ground_truth", "peer")}
    facts = {"split": "test", "warnings": [], "run": run, "peer": {"name": "spoken-to-signed"}}
    page = pages.markdown(Report(rows, facts))
    assert "| spoken-to-signed |" in page and "another system" not in page


def test_all_rows_lose_their_depth_together(languages):
    for each in languages.values():
        each.rows = {
            "ground_truth": each.references,
            "produced": list(each.references),
            "peer": [None, *each.references[1:]],
        }
        each.cut_off = np.zeros(4, bool)
    hidden = languages["asl"].references[2].confidence
    hidden[:, [2, 5]] = 0
    flatten_languages(languages)
    asl = languages["asl"]
    assert asl.excluded == {"no shoulders in x and y": 1}
    assert len(asl.texts) == len(asl.references) == len(asl.cut_off) == 3
    assert [clip is None for clip in asl.rows["peer"]] == [True, False, False]
    for clips in asl.rows.values():
        assert not any(clip.positions[..., 2].any() for clip in clips if clip is not None)


@pytest.mark.slow
def test_spoken_to_signed_stands_in_the_report(workdir, tmp_path):
    report = evaluate(
        workdir,
        output=tmp_path / "report.json",
        reader_config=test_report.READER,
        samples=0,
        peer=Peer("spoken-to-signed", sys.executable),
    )
    assert set(report["peer"]["versions"]) == {"spoken-to-signed", "pose-format"}
    row = report["rows"]["peer"]["overall"]
    assert row["clips"] + sum(report["peer"]["failed"].values()) == report["overall"]["clips"]
    assert 0 < row["dtw"] < report["rows"]["mean_pose"]["overall"]["dtw"]  # the same letters
    assert "| spoken-to-signed |" in (tmp_path / "report.md").read_text()
    assert any("compared in x and y" in line for line in report["warnings"])
