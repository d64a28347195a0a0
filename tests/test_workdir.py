"""A work directory holds a run or nothing: what a user keeps there is never touched."""

import json
import os
import shutil

import pytest
from commands import TINY, flags, run
from listing import listing
from polling import until
from tiny import one_device
from tiny_run import tiny_config, write_run

from signllm_jax.artifacts.group import save_group
from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core import cli
from signllm_jax.core.errors import CheckpointError, ConfigError
from signllm_jax.train import groups, loop
from signllm_jax.train.checkpoint import Checkpoints
from signllm_jax.train.log import RunLog

CONFIG = "--config=configs/mlsf.py"
SAVED = 7  # a step in which the checkpoint of step 4 is complete, or is waited for
LINE = '{"step": 5000, "kind": "train", "loss": 1}\n'


@pytest.fixture(scope="module", autouse=True)
def on_one_device():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "make_run_mesh", lambda config, languages: one_device())
        yield


@pytest.fixture(scope="module")
def config(data_dir):
    return tiny_config(data_dir)


@pytest.fixture(scope="module")
def trained(config, tmp_path_factory):
    """A run that has ended, and for each step whether config.json and checkpoints/ had a save."""
    path, seen, saving = tmp_path_factory.mktemp("trained") / "run", {}, []

    def advance(log, advance=RunLog.advance):
        advance(log)
        noted = json.loads((path / "config.json").read_text())["saved"]
        if len(seen) + 1 == SAVED:
            until(saving[-1].has_complete)  # a checkpoint is written beside the training
        seen[len(seen) + 1] = (noted, any((path / "checkpoints").glob("[0-9]*")))

    def save(checkpoints, *args, save=Checkpoints.save):
        saving.append(checkpoints)
        save(checkpoints, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunLog, "advance", advance)
        patch.setattr(Checkpoints, "save", save)
        assert loop.train(config, path)["step"] == TINY["train.steps"]
    return path, seen


@pytest.fixture
def run_with_model(config, tmp_path):
    """A work directory with a model and without checkpoints; `saved` says what it notes."""

    def make(saved):
        workdir = write_run(tmp_path / "run", config)
        described = json.loads(workdir.config_file.read_text())
        described |= {} if saved is None else {"saved": saved}
        workdir.config_file.write_text(json.dumps(described))
        return workdir.path

    return make


def put(folder, names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(LINE)


FOREIGN = {
    "hidden files with numbers": [".notes.2026.txt", ".thesis.2024/chapter.tex"],
    "an environment": [".venv-python3.12/bin/python"],
    "another program's metrics": ["metrics.jsonl"],
    "files of the same names": ["groups/asl/group.json", "final.json", "checkpoints/4/x"],
    "one file": ["thesis.tex"],
    "what looks like a leftover": [".config.json.tex.1", ".config.json.12a"],
}


@pytest.mark.parametrize("kind", ["link", "hard link", "file"])
def test_a_lock_that_is_no_lock_of_ours_stays_as_it_is(kind, config, tmp_path):
    victim, run = tmp_path / "notes.txt", tmp_path / "run"
    victim.write_text("mine, for years")
    run.mkdir()
    if kind == "link":
        (run / ".lock").symlink_to(victim)
    elif kind == "hard link":
        (run / ".lock").hardlink_to(victim)
    else:
        (run / ".lock").write_text("mine, for years")
    before = listing(tmp_path)
    with pytest.raises(CheckpointError) as refusal, Workdir(run).lock():
        pass
    assert str(run) in str(refusal.value) and "\n" not in str(refusal.value)
    assert listing(tmp_path) == before


def test_a_log_that_is_a_link_is_not_written_through(tmp_path):
    (tmp_path / "metrics.jsonl").symlink_to(tmp_path / "profile")  # of a file that is not there
    log = RunLog(tmp_path, start=0, steps=1, progress=False)
    log.write(1, "train", {"asl": {"loss": 1.0}})
    log.close()
    assert not (tmp_path / "profile").exists()
    assert not (tmp_path / "metrics.jsonl").is_symlink()


@pytest.mark.parametrize("case", FOREIGN)
def test_a_folder_that_holds_something_else_is_refused_and_stays_as_it_is(case, config, tmp_path):
    put(tmp_path, FOREIGN[case])
    before = listing(tmp_path)
    with pytest.raises(ConfigError, match="holds no run") as refusal:
        loop.train(config, tmp_path)
    assert sorted(FOREIGN[case])[0].partition("/")[0] in str(refusal.value)
    assert "choose an empty --workdir" in str(refusal.value)
    assert listing(tmp_path) == before


def test_the_command_says_so_in_one_line(data_dir, tmp_path):
    folder = tmp_path / "mine"
    put(folder, [".venv-python3.12/bin/python", "metrics.jsonl"])
    before = listing(folder)
    given = flags(TINY | {"data.data_dir": data_dir})
    code, out, err = run(tmp_path, "train", [CONFIG, f"--workdir={folder}", *given])
    assert (code, out) == (cli.BAD_INPUT, "")
    assert err.startswith(f"train.py: {folder}: holds no run") and err.count("\n") == 1
    assert listing(folder) == before


def test_another_programs_config_is_refused_and_stays_as_it_is(config, tmp_path):
    (tmp_path / "config.json").write_text('{"architectures": ["Bert"]}')
    put(tmp_path, ["model.safetensors", ".config.json.7"])
    before = listing(tmp_path)
    with pytest.raises(CheckpointError, match=r"config\.json: no readable run"):
        loop.train(config, tmp_path)
    assert listing(tmp_path) == before


@pytest.mark.slow
def test_a_resumption_removes_what_killed_writers_left_and_nothing_else(config, trained, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained[0], run)
    elsewhere = tmp_path / "elsewhere"
    put(elsewhere, [".group.json.7", ".asl.9/group.json"])
    mine = [
        ".notes.2026.txt",
        ".venv-python3.12/bin/python",
        "groups/.thesis.2024/chapter.tex",
        "groups/asl/.mine.7",
        "groups/asl/params-mine.msgpack",
        "notes/.config.json.7",
        "checkpoints.old/.config.json.7",
    ]
    put(run, mine)
    (run / "groups" / "link").symlink_to(elsewhere)
    (run / "groups" / ".asl.8").symlink_to(elsewhere)
    (run / ".final.json.9").symlink_to(elsewhere)
    before, outside = listing(run), listing(elsewhere)
    left = [
        ".config.json.123",
        ".metrics.jsonl.123",
        ".final.json.123",
        "groups/.asl.123/group.json",
        "groups/asl/.group.json.123",
        "groups/asl/.tokenizer.model.123",
        "groups/asl/.params-6.msgpack.123",
    ]
    put(run, left)
    loop.train(config, run)
    after = listing(run)
    grows = ("config.json", "events", "final.json")  # of every resumption
    kept = {name for name in before if not name.startswith(grows)}
    assert {name: after.get(name) for name in kept} == {name: before[name] for name in kept}
    assert {name for name in after if not name.startswith(grows)} == kept
    assert listing(elsewhere) == outside


def test_a_folder_with_nothing_but_what_a_killed_start_left_is_empty(config, tmp_path):
    put(tmp_path, [".config.json.123"])
    (tmp_path / ".lock").write_text("123")  # the number of a trainer that was killed
    workdir = Workdir(tmp_path)
    with workdir.lock():
        workdir.check(config, ("asl",))
        workdir.claim(config, ("asl",))
    assert sorted(listing(tmp_path)) == ["config.json"]


@pytest.mark.parametrize("left", ["groups", "final.json", "empty checkpoints", "no note"])
def test_a_trained_model_without_its_checkpoints_is_not_trained_over(left, config, run_with_model):
    run = run_with_model(None if left == "no note" else True)
    if left == "final.json":
        (run / "final.json").write_text("{}")
        shutil.rmtree(run / "groups")
    if left == "empty checkpoints":
        (run / "checkpoints").mkdir()
    before = listing(run)
    with pytest.raises(CheckpointError, match="the checkpoints are gone") as refusal:
        loop.train(config, run)
    assert f"--config.init_from={run}" in str(refusal.value)
    assert "new --workdir" in str(refusal.value)
    assert listing(run) == before


def test_a_run_that_never_had_a_checkpoint_begins_again(config, run_with_model):
    """As when it is killed after an evaluation that comes before the first checkpoint."""
    Workdir(run_with_model(False)).check(config, ("asl",))


def test_a_run_from_before_that_only_froze_its_tokenizer_begins_again(config, tmp_path):
    workdir = Workdir(tmp_path)
    with workdir.lock():
        workdir.claim(config, ("asl",))
        save_group(workdir.group("asl"), groups.make_group(config, "asl"))
        workdir.check(config, ("asl",))


@pytest.mark.slow
def test_a_run_notes_its_first_checkpoint_as_soon_as_it_is_whole(trained):
    path, seen = trained
    assert seen[1] == (False, False) and seen[SAVED][1] and seen[SAVED + 1][0]
    assert all(whole for noted, whole in seen.values() if noted)
    assert json.loads((path / "config.json").read_text())["saved"] is True


def test_an_empty_folder_and_a_link_to_one_are_taken(config, tmp_path):
    (tmp_path / "real").mkdir()
    os.symlink(tmp_path / "real", tmp_path / "run")
    workdir = Workdir(tmp_path / "run")
    with workdir.lock():
        workdir.check(config, ("asl",))
        workdir.claim(config, ("asl",))
    assert (tmp_path / "real" / "config.json").exists()
