"""Runs of several processes: the same numbers, the same end, and nothing lost when one dies."""

import json
import os
import shutil
import signal

import numpy as np
import pytest
from commands import TINY, Death, Set, Term, Wait, contents, flags, run, start_hosts

from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core import cli
from signllm_jax.corpora import fingerspelling
from signllm_jax.parallel.heartbeat import LOST_HOST
from signllm_jax.train.checkpoint import Checkpoints

LANGUAGES = ("asl", "tsl")
CHECKPOINT, LOOP = "signllm_jax.train.checkpoint", "signllm_jax.train.loop"
# where a host is killed or asked to stop: (module, function, its last call that a run makes)
MOMENTS = {
    "a step": (LOOP, "_Run._fetch", 12),
    "a save": (CHECKPOINT, "Checkpoints.save", 3),
    "an evaluation": ("signllm_jax.train.dev", "DevSet.score", 2),
    "the file lists": (CHECKPOINT, "Checkpoints._list", 3),
    "the start": (LOOP, "_Run._restore", 1),
}
FIRST = (0, 1, 2)
"""Seeds that `make test-slow` tries: every moment is among theirs. `make reliability` tries all."""
SEEDS = [n if n in FIRST else pytest.param(n, marks=pytest.mark.repeated) for n in range(5)]


@pytest.fixture(scope="module")
def begin(tmp_path_factory, data_dir):
    """Starts the tiny run of two languages as two processes, each with one device."""

    def begin(workdir, hooks=(None, None), devices=1, own=((), ()), **values):
        values = TINY | {"data.data_dir": data_dir, "data.languages": LANGUAGES} | values
        args = ["--config=configs/mlsf.py:fingerspelling", f"--workdir={workdir}", *flags(values)]
        folder = tmp_path_factory.mktemp("printed")
        return start_hosts(folder, args, devices, hooks, own)

    return begin


def end(commands):
    return [command.end(1800) for command in commands]


def said(commands):
    return "\n".join(command.err.read_text() for command in commands)


@pytest.fixture(scope="module")
def alone(begin, tmp_path_factory):
    """The work directory of a run of two processes that was left alone."""
    workdir = tmp_path_factory.mktemp("alone") / "run"
    commands = begin(workdir)
    assert end(commands) == [0, 0], said(commands)
    return workdir


def final(workdir):
    return json.loads((workdir / "final.json").read_text())


def metrics(workdir):
    path = workdir / "metrics.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def same(workdir, alone):
    """Checks that the run ended as the one left alone, and that its log has every step once."""
    assert final(workdir)["params_sha256"] == final(alone)["params_sha256"]
    lines = metrics(workdir)
    assert [line["step"] for line in lines if line["kind"] == "train"] == list(range(1, 13))
    assert lines == metrics(alone)
    assert contents(workdir / "groups") == contents(alone / "groups")


@pytest.mark.slow
def test_two_processes_end_as_one_and_only_the_first_writes(alone, tmp_path, data_dir):
    values = TINY | {"data.data_dir": data_dir, "data.languages": LANGUAGES}
    args = ["--config=configs/mlsf.py:fingerspelling", f"--workdir={tmp_path}/run", *flags(values)]
    commands = start_hosts(tmp_path, args, 2, (None,))
    assert end(commands) == [0], said(commands)
    same(tmp_path / "run", alone)
    assert final(alone)["hosts"] == 2 and final(alone)["devices"] == 2
    assert len([name for name in contents(alone) if "tfevents" in name]) == 1


def test_hosts_with_different_configs_are_refused_in_one_line(begin, tmp_path):
    commands = begin(tmp_path / "run", own=((), ("--config.train.seed=1",)))
    assert end(commands) == [cli.BAD_INPUT] * 2
    for command in commands:
        line = command.err.read_text()
        assert line.count("\n") == 1
        assert "config.train.seed is 0 on host 0, 1 on host 1" in line
    assert not (tmp_path / "run").exists()


def test_what_one_host_alone_is_refused_ends_the_others_with_the_same_line(begin, tmp_path):
    with Workdir(tmp_path / "run").lock():
        commands = begin(tmp_path / "run")
        assert end(commands) == [cli.BAD_INPUT] * 2
    for command, before in zip(commands, ("train.py: ", "train.py: host 0: ")):
        line = command.err.read_text()
        assert line.startswith(f"{before}{tmp_path}/run: another trainer (process {os.getpid()})")
        assert line.count("\n") == 1


@pytest.mark.parametrize(
    ("told", "line"),
    [
        (["--coordinator=here"], "--coordinator: 'here' is not host:port"),
        (["--coordinator=localhost:1", "--process=0"], "Number of processes must be defined"),
        (
            ["--coordinator=localhost:1", "--processes=2", "--process=2"],
            "--process=2: there are 2 processes, from 0",
        ),
    ],
)
def test_hosts_that_are_told_wrongly_are_refused(told, line, tmp_path):
    code, _, err = run(tmp_path, "train", ["--config=configs/mlsf.py:fingerspelling", *told])
    assert code == cli.BAD_INPUT and err.count("\n") == 1
    assert line in err


def test_a_first_host_that_does_not_answer_is_one_line(tmp_path):
    args = [
        "--config=configs/mlsf.py:fingerspelling",
        "--coordinator=localhost:1",
        "--processes=2",
        "--process=1",
    ]
    hook = Set("signllm_jax.parallel.hosts", "PATIENCE", 0.5)
    code, _, err = run(tmp_path, "train", args, hook=hook)
    assert code == cli.BAD_INPUT and err.count("\n") == 1
    assert "--coordinator=localhost:1: nobody answers within 0.5 s" in err


QUICK = (
    Set("signllm_jax.parallel.heartbeat", "LOST", 6.0),
    Set("signllm_jax.parallel.heartbeat", "BEAT", 1.0),
    Set("signllm_jax.parallel.hosts", "HEARTBEAT", 20),
)


def on(host, *hooks):
    """Hooks of both hosts: all lose each other quickly, and one has some of its own."""
    return [(*QUICK, *hooks) if i == host else QUICK for i in range(2)]


def newest(workdir):
    """Step of the newest checkpoint that is whole, 0 = none."""
    checkpoints = Checkpoints(workdir / "checkpoints", keep=2)
    step = checkpoints.newest()
    checkpoints.close()
    return step or 0


def moments(kind, seed):
    """Two random moments of a run, the second after it went on: (host, module, function, call)."""
    random = np.random.default_rng([kind, seed])
    for number in (2 * seed, 2 * seed + 1):
        name = list(MOMENTS)[number % len(MOMENTS)]
        module, function, calls = MOMENTS[name]
        host = 0 if name == "the file lists" else int(random.integers(2))
        # in the first half, so that there is a rest
        yield host, module, function, int(random.integers(max(calls // 2, 1))) + 1, random


def test_the_first_seeds_have_every_moment():
    for kind in (2, 3):
        tried = {(module, call) for n in FIRST for _, module, call, *_ in moments(kind, n)}
        assert tried == {(module, function) for module, function, _ in MOMENTS.values()}


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_lost_but_what_came_after_the_last_checkpoint(seed, begin, alone, tmp_path):
    run, kept = tmp_path / "run", 0
    for host, module, function, call, random in moments(2, seed):
        death = Death(module, function, call, float(random.uniform(0, 0.3)))
        commands = begin(run, on(host, death))
        codes = end(commands)
        # 0 where the run ended before the delay
        assert codes == [0, 0] or codes[host] == -signal.SIGKILL, (function, codes, said(commands))
        assert codes == [0, 0] or codes[1 - host] != 0, (function, said(commands))
        assert newest(run) >= kept
        kept = newest(run)
    commands = begin(run)
    assert end(commands) == [0, 0], said(commands)
    resumed = f"resuming at step {kept}" if kept else "training: "
    assert resumed in commands[0].out.read_text()
    same(run, alone)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_sigterm_on_one_host_stops_both_at_the_same_step(seed, begin, alone, tmp_path):
    run = tmp_path / "run"
    for host, module, function, call, random in moments(3, seed):
        commands = begin(run, on(host, Term(module, function, call, float(random.uniform(0, 2)))))
        codes = end(commands)
        assert codes in ([cli.STOPPED] * 2, [0, 0]), said(commands)  # 0 where it came too late
        logged = metrics(run)
        step = logged[-1]["step"] if logged else 0
        assert f"stopped at step {step};" in commands[0].out.read_text() or step == 12
        assert newest(run) == step
    commands = begin(run)
    assert end(commands) == [0, 0], said(commands)
    same(run, alone)


@pytest.mark.slow
@pytest.mark.parametrize("host", range(2))
def test_a_lost_host_ends_the_other(host, begin, tmp_path):
    hooks = [None, None]
    hooks[host] = (Death(LOOP, "_Run._fetch", 6, 0),)
    commands = begin(tmp_path / "run", hooks)
    assert commands[host].end(1800) == -signal.SIGKILL
    assert commands[1 - host].end() != 0
    err = commands[1 - host].err.read_text()
    if host == 1:
        assert "host 1 gave no sign of life for 20 s and is lost" in err
    else:  # jax ends the process itself when the coordination service is gone
        assert "the first host is lost" in err or "another task died" in err


@pytest.mark.slow
@pytest.mark.parametrize("host", range(2))
def test_a_host_that_lives_but_makes_no_progress_ends_both(host, begin, tmp_path):
    hung = Wait("signllm_jax.parallel.sharding", "global_batch", 4, 600)  # its thread beats on
    patient = [
        Set("signllm_jax.parallel.heartbeat", name, seconds)
        for name, seconds in (("BEHIND", 30.0), ("LOST", 120.0), ("BEAT", 1.0))
    ]
    hooks = [tuple(patient)] * 2
    hooks[host] = (*hooks[host], hung)
    commands = begin(tmp_path / "run", hooks)
    assert end(commands) == [LOST_HOST] * 2, said(commands)
    for command in commands:
        line = f"host {host} has hung: it lives, but made no progress for 30 s"
        assert line in command.err.read_text()


@pytest.mark.slow
def test_both_hosts_pass_over_a_checkpoint_that_is_damaged(begin, alone, tmp_path):
    shutil.copytree(alone, tmp_path / "run")
    (tmp_path / "run/final.json").unlink()
    part = next((tmp_path / "run/checkpoints/12/state").rglob("d/*"))
    part.write_bytes(part.read_bytes()[:100])
    commands = begin(tmp_path / "run")
    assert end(commands) == [0, 0], said(commands)
    assert "checkpoint 12 is damaged" in commands[0].out.read_text()
    assert "resuming at step 8" in commands[0].out.read_text()
    assert (tmp_path / "run/damaged/12").is_dir()
    same(tmp_path / "run", alone)


SPLIT = {"train.batch_size": 16, "rl.strata": 8, "eval.batch_size": 8}  # over up to eight devices
EVERY = SPLIT | {"data.languages": fingerspelling.LANGUAGES}


def mesh(*sizes):
    return dict(zip(("mesh.language", "mesh.data", "mesh.fsdp", "mesh.tensor"), sizes))


def losses(workdir):
    """The losses [steps, languages] of a run."""
    lines = [line for line in metrics(workdir) if line["kind"] == "train"]
    return np.array([[line[code]["loss"] for code in fingerspelling.LANGUAGES] for line in lines])


@pytest.mark.slow
def test_a_run_goes_on_with_other_hosts_and_another_mesh(begin, tmp_path):
    for name, hooks in (("whole", (None,)), ("cut", ((Death(LOOP, "_Run._fetch", 13, 0),),))):
        end(begin(tmp_path / name, hooks, 8, **EVERY, **mesh(1, 8, 1, 1)))
    assert not (tmp_path / "cut/final.json").exists()
    kept = newest(tmp_path / "cut")
    assert kept in (4, 8)  # the second is saved in the background while the run is killed
    commands = begin(tmp_path / "cut", (None, None), 4, **EVERY, **mesh(4, 1, 2, 1))
    assert end(commands) == [0, 0], said(commands)
    assert f"resuming at step {kept}" in commands[0].out.read_text()
    np.testing.assert_allclose(losses(tmp_path / "cut"), losses(tmp_path / "whole"), rtol=1e-4)
    assert final(tmp_path / "cut")["hosts"] == 2


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(4, 1, 2, 1), (1, 2, 4, 1)])
def test_the_demo_on_two_hosts_has_the_losses_of_one(shape, tmp_path, data_dir):
    values = (
        mesh(*shape)
        | SPLIT
        | {
            "data.data_dir": data_dir,
            "train.steps": 8,
            "eval.every": 8,
            "eval.clips": 2,
            "eval.report": False,
            "log.every": 1,
            "log.progress": False,
        }
    )
    for name, hooks, devices in (("one", (None,), 8), ("two", (None, None), 4)):
        args = [
            "--config=configs/mlsf.py:fingerspelling",
            f"--workdir={tmp_path}/{name}",
            *flags(values),
        ]
        commands = start_hosts(tmp_path, args, devices, hooks)
        assert end(commands) == [0] * len(hooks), said(commands)
    one, two = losses(tmp_path / "one"), losses(tmp_path / "two")
    assert one.shape == (8, 4)
    np.testing.assert_allclose(two, one, rtol=0, atol=1e-6)
    one, two = metrics(tmp_path / "one")[-1], metrics(tmp_path / "two")[-1]
    for code in fingerspelling.LANGUAGES:
        assert two[code] == pytest.approx(one[code], rel=0, abs=1e-3)  # on dev
