"""A run that is killed at any moment and started again ends as one that was left alone."""

import json
import os
import shutil
import signal

import numpy as np
import pytest
from commands import TINY, Death, Wait, contents, flags, start

from signllm_jax.core import cli

CONFIG = "--config=configs/mlsf.py:fingerspelling"
CHECKPOINT, SOURCE = "signllm_jax.train.checkpoint", "signllm_jax.data.splits"
# where a run is killed: (module, function, its last call that a run makes, longest delay in s)
MOMENTS = {
    "a step": ("signllm_jax.train.log", "RunLog.advance", 12, 0.05),
    "a save": (CHECKPOINT, "Checkpoints.save", 3, 0.4),
    "an evaluation": ("signllm_jax.train.dev", "DevSet.score", 2, 2.0),
    "the preparation": (SOURCE, "_prepared_builder", 1, 4.0),
    "writing a group": ("signllm_jax.train.groups", "save_group", 3, 0.02),
    "its end": ("signllm_jax.train.loop", "_Run._finish", 1, 0.01),
}
FIRST = (0, 1, 4, 5)
"""Seeds that `make test-slow` tries: every moment is among theirs. `make reliability` tries all."""
SEEDS = [n if n in FIRST else pytest.param(n, marks=pytest.mark.repeated) for n in range(10)]
STOP_SEEDS = [n if n < 2 else pytest.param(n, marks=pytest.mark.repeated) for n in range(10)]
"""The first two have every signal."""


def death(moment, random):
    module, function, calls, longest = MOMENTS[moment]
    call = int(random.integers(1, calls + 1))
    return Death(module, function, call, float(random.uniform(0, longest)))


@pytest.fixture(scope="module")
def begin(tmp_path_factory, data_dir):
    """Starts the tiny run in a work directory."""

    def begin(workdir, hook=None, **values):
        given = flags(TINY | {"data.data_dir": data_dir} | values)
        folder = tmp_path_factory.mktemp("printed")
        args = [CONFIG, f"--workdir={workdir}", *given]
        return start(folder, "train", args, hook=hook)

    return begin


@pytest.fixture(scope="module")
def alone(begin, tmp_path_factory):
    """The work directory of a run that was left alone."""
    workdir = tmp_path_factory.mktemp("alone") / "run"
    command = begin(workdir)
    assert command.end() == 0, command.err.read_text()
    return workdir


def waits(command):
    """Returns when a Wait of the command has begun."""
    command.wait_for(lambda: command.out.exists() and "waiting" in command.out.read_text())


def same(workdir, alone):
    """Checks that the run ended as the one left alone, and that its log has every step once."""
    final, other = (json.loads((path / "final.json").read_text()) for path in (workdir, alone))
    assert final["params_sha256"] == other["params_sha256"]
    assert final["step"] == other["step"] == 12
    lines = metrics(workdir)
    assert [line["step"] for line in lines if line["kind"] == "train"] == list(range(1, 13))
    assert [line["step"] for line in lines if line["kind"] == "dev"] == [6, 12]
    assert lines == metrics(alone)
    kept, other = (contents(path / "groups") for path in (workdir, alone))
    assert kept == other
    left = [name for name in contents(workdir) if "tmp" in name or name.count("/.")]
    assert not left


def metrics(workdir):
    path = workdir / "metrics.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.slow
def test_a_killed_and_a_stopped_run_ends_as_one_left_alone(begin, alone, tmp_path):
    run = tmp_path / "run"
    command = begin(run, Death(CHECKPOINT, "Checkpoints.save", 2, 0.05))
    assert command.end() == -signal.SIGKILL
    command = begin(run)
    command.wait_for(lambda: command.out.exists() and "resuming" in command.out.read_text())
    os.kill(command.process.pid, signal.SIGTERM)
    assert command.end() in (cli.STOPPED, 0), command.err.read_text()  # 0 where it came too late
    step = metrics(run)[-1]["step"]
    assert f"stopped at step {step}" in command.out.read_text() or step == 12
    assert (run / "checkpoints" / str(step)).is_dir()
    command = begin(run)
    assert command.end() == 0, command.err.read_text()
    same(run, alone)


@pytest.mark.slow
def test_a_second_ctrl_c_ends_at_once(begin, tmp_path):
    command = begin(tmp_path / "run", Wait(CHECKPOINT, "Checkpoints.save", 1, 200))
    waits(command)
    os.kill(command.process.pid, signal.SIGINT)
    command.wait_for(lambda: "again ends at once" in command.err.read_text())
    os.kill(command.process.pid, signal.SIGINT)
    assert command.end(150) == 130  # it does not wait for the end of what it saves


@pytest.mark.slow
def test_a_finished_run_stays_as_it_is(begin, alone):
    before = contents(alone / "groups"), contents(alone / "checkpoints")
    command = begin(alone)
    assert command.end() == 0, command.err.read_text()
    assert (contents(alone / "groups"), contents(alone / "checkpoints")) == before
    same(alone, alone)


STOPS = {"Ctrl-C": signal.SIGINT, "SIGTERM": signal.SIGTERM, "a closed terminal": signal.SIGHUP}


@pytest.mark.parametrize("how", [pytest.param(how, marks=pytest.mark.slow) for how in STOPS])
def test_a_stop_saves_and_does_not_count_as_done(how, begin, alone, tmp_path):
    run = tmp_path / "run"
    command = begin(run, Wait("signllm_jax.train.loop", "_Run._save", 1, 2))
    waits(command)
    os.kill(command.process.pid, STOPS[how])
    assert command.end() == cli.STOPPED, command.err.read_text()
    assert "the same command goes on from here" in command.out.read_text()
    step = metrics(run)[-1]["step"]
    assert (run / "checkpoints" / str(step)).is_dir() and not (run / "final.json").exists()
    command = begin(run)
    assert command.end() == 0, command.err.read_text()
    same(run, alone)


@pytest.mark.slow
@pytest.mark.parametrize("seed", STOP_SEEDS)
def test_stopped_twice_at_random_moments(seed, begin, alone, tmp_path):
    random = np.random.default_rng([2, seed])
    run, names = tmp_path / "run", list(STOPS)
    for number in range(2):
        command = begin(
            run, Wait("signllm_jax.train.log", "RunLog.advance", int(random.integers(1, 5)), 1)
        )
        waits(command)
        os.kill(command.process.pid, STOPS[names[(seed + number) % len(names)]])
        assert command.end() == cli.STOPPED, command.err.read_text()
        step = metrics(run)[-1]["step"]
        assert f"stopped at step {step}" in command.out.read_text()
        assert (run / "checkpoints" / str(step)).is_dir()
    command = begin(run)
    assert command.end() == 0, command.err.read_text()
    same(run, alone)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["moved", "deleted"])
def test_a_run_whose_work_directory_is_gone_ends_with_an_error(how, begin, tmp_path):
    run = tmp_path / "run"
    command = begin(run, Wait("signllm_jax.train.log", "RunLog.advance", 6, 10))
    waits(command)
    command.wait_for((run / "checkpoints" / "4").exists)  # a save under way would make it again
    if how == "moved":
        run.rename(tmp_path / "elsewhere")
    else:
        shutil.rmtree(run)
    assert command.end() == cli.BAD_INPUT, command.err.read_text()
    assert f"{run}: was moved or deleted while the run was training" in command.err.read_text()
    assert not run.exists()
    if how == "moved":
        command = begin(tmp_path / "elsewhere")
        assert command.end() == 0, command.err.read_text()
        assert "resuming at step 4" in command.out.read_text()


def two_moments(seed):
    """Names of the moments of a seed, and what draws the rest."""
    random, names = np.random.default_rng([1, seed]), list(MOMENTS)
    return (names[seed % len(names)], names[int(random.integers(len(names)))]), random


def test_the_first_seeds_have_every_moment():
    assert {name for seed in FIRST for name in two_moments(seed)[0]} == set(MOMENTS)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_killed_twice_at_random_moments(seed, begin, alone, tmp_path):
    data = tmp_path / "data"  # prepared by the run itself
    moments, random = two_moments(seed)
    for moment in moments:
        how = death(moment, random)
        code = begin(tmp_path / "run", how, **{"data.data_dir": data}).end()
        assert code in (-signal.SIGKILL, 0), moment  # 0 where it ended before the call or delay
    command = begin(tmp_path / "run", **{"data.data_dir": data})
    assert command.end() == 0, command.err.read_text()
    same(tmp_path / "run", alone)
    assert not [name for name in contents(data) if "incomplete" in name]
