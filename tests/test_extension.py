"""Adding a language to a trained MLSF, and copying a run's groups out."""

import dataclasses
import json
import threading

import numpy as np
import pytest
from buckets import fake_bucket
from commands import run
from tiny_run import tiny_config, write_run

from signllm_jax import SignLLM
from signllm_jax.artifacts.export import export_run
from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core import storage
from signllm_jax.core.errors import CheckpointError, ConfigError, OutputError
from signllm_jax.train import extension, loop


def files(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def old(data_dir, tmp_path_factory):
    path = tmp_path_factory.mktemp("old") / "run"
    return write_run(path, tiny_config(data_dir, ("asl", "gsl")))


@pytest.fixture(scope="module")
def extended(data_dir, old, tmp_path_factory):
    config = tiny_config(data_dir, (), **{"train.steps": 4, "eval.every": 4})
    config = dataclasses.replace(config, extend_from=str(old.path))
    path = tmp_path_factory.mktemp("extended") / "run"
    assert loop.train(config, path)["step"] == 4
    return Workdir(path), config


def test_a_language_added_later_leaves_the_others_bit_identical(old, extended):
    run, _ = extended
    for code in ("asl", "gsl"):
        assert files(run.group(code)) == files(old.group(code)) != {}
    before, after = SignLLM.load(old.path), SignLLM.load(run.path)
    assert before.languages == ("asl", "gsl")
    assert after.languages == ("asl", "gsl", "dsgs", "tsl")
    for code in before.languages:
        one, other = before.produce("abc", code), after.produce("abc", code)
        np.testing.assert_array_equal(one.positions, other.positions)
        np.testing.assert_array_equal(one.confidence, other.confidence)


def test_only_the_languages_that_were_not_there_are_trained(extended):
    run, _ = extended
    assert run.read_config()[1] == ("dsgs", "tsl") and run.read_kept() == ("asl", "gsl")
    lines = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    trained = {code for line in lines for code in ("asl", "gsl", "dsgs", "tsl") if code in line}
    assert trained == {"dsgs", "tsl"}


def test_an_extension_goes_on_without_the_run_that_it_extends(extended, tmp_path):
    run, config = extended
    gone = dataclasses.replace(config, extend_from="gone")
    held = json.loads(run.config_file.read_text())
    held["config"]["extend_from"] = "gone"
    (tmp_path / "config.json").write_text(json.dumps(held))
    assert extension.kept_languages(gone, Workdir(tmp_path)) == ("asl", "gsl")
    with pytest.raises(CheckpointError, match="gone"):
        extension.kept_languages(gone, Workdir(tmp_path / "none"))


def test_what_cannot_be_extended_says_why(data_dir, old, tmp_path):
    again = dataclasses.replace(tiny_config(data_dir, ("asl",)), extend_from=str(old.path))
    with pytest.raises(ConfigError, match="'asl' already"):
        loop.train(again, tmp_path / "again")
    shared = dataclasses.replace(again, task="back_translation")
    with pytest.raises(ConfigError, match="no MLSF"):
        loop.train(shared, tmp_path / "shared")
    full = write_run(tmp_path / "full", tiny_config(data_dir, ("asl", "gsl", "dsgs", "tsl")))
    nothing = dataclasses.replace(tiny_config(data_dir, ()), extend_from=str(full.path))
    with pytest.raises(ConfigError, match="all languages"):
        loop.train(nothing, tmp_path / "nothing")
    broken = write_run(tmp_path / "broken", tiny_config(data_dir, ("asl",)))
    (file,) = broken.group("asl").glob("params-*")
    file.write_bytes(file.read_bytes()[:-9] + bytes(9))
    damaged = dataclasses.replace(tiny_config(data_dir, ("gsl",)), extend_from=str(broken.path))
    with pytest.raises(CheckpointError, match="params-"):
        loop.train(damaged, tmp_path / "damaged")
    assert {p.name for p in tmp_path.iterdir()} == {"full", "broken"}


def test_an_export_is_loaded_like_its_run_and_names_no_place(extended, data_dir, tmp_path):
    run, _ = extended
    made = export_run(run.path, tmp_path / "out")
    assert made["languages"] == ["asl", "gsl", "dsgs", "tsl"]
    model, again = SignLLM.load(run.path), SignLLM.load(tmp_path / "out")
    assert again.languages == model.languages
    for code in model.languages:
        np.testing.assert_array_equal(
            model.produce("abc", code).positions, again.produce("abc", code).positions
        )
    for name, data in files(tmp_path / "out").items():
        assert data_dir.encode() not in data and b"/tmp" not in data, name
    card = " ".join((tmp_path / "out" / "README.md").read_text().split())
    for said in (
        "Swiss German",
        "spoken-to-signed: MIT",
        "no face",
        "Deaf signers",
        "Not evaluated",
    ):
        assert said in card
    assert all(told["params_sha256"] in card for told in made["groups"].values())
    assert export_run(tmp_path / "out", tmp_path / "copy")["sha256"] == made["sha256"]


def test_a_language_can_be_exported_alone(old, tmp_path):
    made = export_run(old.path, tmp_path / "out", ["gsl"])
    assert made["languages"] == ["gsl"] and SignLLM.load(tmp_path / "out").languages == ("gsl",)
    with pytest.raises(ConfigError, match="'lsa'"):
        export_run(old.path, tmp_path / "other", ["lsa"])
    with pytest.raises(OutputError, match="exists"):
        export_run(old.path, tmp_path / "out")
    assert {p.name for p in tmp_path.iterdir()} == {"out"}


@pytest.mark.parametrize("name", ["config.json", "group.json", "tokenizer.model", "params-"])
def test_a_damaged_file_of_an_export_is_refused_by_name(old, tmp_path, name):
    export_run(old.path, tmp_path / "out")
    (file, *_) = sorted(p for p in (tmp_path / "out").rglob(f"{name}*"))
    data = bytearray(file.read_bytes())
    data[-3] ^= 1
    file.write_bytes(data)
    with pytest.raises(CheckpointError, match=name):
        SignLLM.load(tmp_path / "out")


@pytest.fixture
def bucket():
    """gs:// as a file system in memory."""
    with fake_bucket() as bucket:
        yield bucket


def test_an_export_is_loaded_from_a_bucket(old, tmp_path, bucket):
    export_run(old.path, tmp_path / "out")
    for path in (tmp_path / "out").rglob("*"):
        if path.is_file():
            bucket().pipe(f"/models/two/{path.relative_to(tmp_path / 'out')}", path.read_bytes())
    model = SignLLM.load("gs://models/two")
    np.testing.assert_array_equal(
        model.produce("abc", "gsl").positions,
        SignLLM.load(old.path).produce("abc", "gsl").positions,
    )
    with pytest.raises(CheckpointError, match="gs://models/three: there is nothing"):
        SignLLM.load("gs://models/three")


def test_a_bucket_that_does_not_answer_is_given_up(bucket, monkeypatch):
    never = threading.Event()
    monkeypatch.setattr(bucket, "exists", lambda *_, **__: never.wait(60))
    monkeypatch.setattr(storage, "SECONDS", 0.05)
    with pytest.raises(CheckpointError, match="no answer in"):
        storage.ask_for("gs://models/two", CheckpointError)
    never.set()


def test_the_commands_say_in_one_line_what_is_wrong(old, tmp_path):
    args = ["--config=configs/mlsf.py:fingerspelling", f"--workdir={tmp_path / 'run'}"]
    code, out, err = run(tmp_path, "train", [*args, f"--extend-from={tmp_path / 'none'}"])
    assert (code, out, err.count("\n")) == (2, "", 1) and "none/config.json" in err
    flag = [f"--workdir={old.path}", f"--output={tmp_path / 'out'}"]
    code, out, err = run(tmp_path, "export", flag)
    assert (code, err) == (0, "") and "asl, gsl; sha256 " in out
    code, out, err = run(tmp_path, "export", flag)
    assert (code, out, err.count("\n")) == (2, "", 1) and "exists already" in err
