"""Ratios to another system: turns, workers that are kept alive, and what a row says."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import run

from launch.benchmarks import against, workload
from launch.benchmarks.workers import Worker
from signllm_jax.core.errors import ConfigError

ROOT = Path(__file__).resolve().parents[1]
WORKER = """
import json, os, sys
mode = sys.argv[2] if len(sys.argv) > 2 else "ours"
for line in sys.stdin:
    job = json.loads(line)
    with open(os.environ["TURNS"], "a") as file:
        file.write(f"{os.getpid()} {mode} {job['do']}\\n")
    seconds = {"ours": 1.0, "eager": 4.0, "compiled": 2.0}[mode]
    said = {"cpu_seconds": 2 * seconds, "wall_seconds": seconds, "frames": 8, "version": "9"}
    print(json.dumps(said), flush=True)
"""
JOBS = {"train-8rows-threads-{threads}": ({"do": "train"}, {"do": "train"})}


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """A clone in which all workers are the one above, and the file that it writes turns into."""
    (tmp_path / "peers").mkdir()
    (tmp_path / "peers/other.py").write_text(WORKER)
    (tmp_path / ".venv-peer/bin").mkdir(parents=True)
    (tmp_path / ".venv-peer/bin/python").symlink_to(sys.executable)
    monkeypatch.setattr(against, "ROOT", tmp_path)
    monkeypatch.setattr(against, "OWN", (sys.executable, str(tmp_path / "peers/other.py")))
    monkeypatch.setenv("TURNS", str(tmp_path / "turns"))
    return tmp_path


def test_systems_take_turns_in_processes_that_are_kept_alive(stand_in):
    rows = list(against.compare("train", JOBS, [1, 2], 3, "other"))
    turns = [line.split() for line in (stand_in / "turns").read_text().splitlines()]
    one = ["ours", "ours", "ours", "eager", "compiled"]  # the machine's two figures come first
    assert [mode for _, mode, _ in turns] == one * (1 + 3) * 2
    assert len({process for process, _, _ in turns}) == 3 * 2
    ratios = {row["variant"]: row for row in rows if row["benchmark"] == "ratio"}
    assert ratios.keys() == {"train-8rows-threads-1", "train-8rows-threads-2"}
    assert {(row["times_peer"], row["peer"], row["rounds"]) for row in ratios.values()} == {
        (2.0, "compiled", 3)
    }
    beside = {row["variant"] for row in rows if row["benchmark"] == "train"}
    assert {"ours-train-8rows-threads-1", "eager-train-8rows-threads-1"} <= beside
    assert {"matmul_peak", "read_bandwidth"} <= beside


def test_a_job_of_several_variants_is_done_once_a_round(stand_in):
    peer = {"do": "decode"}
    jobs = {"a": ({"do": "cached"}, peer), "b": ({"do": "parallel"}, peer)}
    rows = list(against.compare("decode", jobs, [1], 2, "other"))
    done = [line.split()[1:] for line in (stand_in / "turns").read_text().splitlines()]
    assert done.count(["eager", "decode"]) == done.count(["ours", "parallel"]) == 1 + 2
    ratios = [row["times_peer"] for row in rows if row["benchmark"] == "ratio"]
    assert ratios == [2.0, 2.0]


def test_our_worker_starts_and_ends_with_its_input():
    done = subprocess.run([*against.OWN, "1"], input="", capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_a_ratio_is_of_the_same_round_and_to_the_quicker_of_the_peers_modes():
    measured = {
        "ours": np.array([[2.0, 1.0, 12.0], [2.0, 2.0, 12.0], [2.0, 1.0, 12.0]]),
        "eager": np.array([[1.0, 1.0, 6.0], [1.0, 2.0, 6.0], [1.0, 2.0, 6.0]]),
        "compiled": np.array([[1.0, 9.0, 6.0]] * 3),
    }
    row = against.ratio_row("train-8rows-threads-1", measured)
    assert (row["times_peer"], row["low"], row["high"]) == (2.0, 2.0, 4.0)
    assert (row["times_peer_of_cpu"], row["peer"]) == (1.0, "eager")


def test_without_the_peers_environment_the_message_names_the_command(tmp_path, monkeypatch):
    monkeypatch.setattr(against, "ROOT", tmp_path)
    with pytest.raises(ConfigError, match="make peer-env"):
        list(against.compare("train", JOBS, [1], 1, "other"))


def test_a_worker_that_ends_is_named():
    ended = [sys.executable, "-c", "pass"]
    with (
        Worker("eager", ended, dict(os.environ)) as worker,
        pytest.raises(ConfigError, match="eager ended"),
    ):
        worker.ask({"do": "train"})


def test_both_systems_get_the_same_frames_a_step_and_the_same_text():
    (ours, peer), _ = against.train_jobs([8, 16], 256, 2, workload.PEER_LENGTHS, 14).values()
    assert sum(peer["lengths"]) == pytest.approx(ours["rows"] * ours["row_frames"], rel=0.05)
    assert len(peer["lengths"]) == 16 and peer["steps"] == ours["steps"]
    jobs = against.decode_jobs([1, 8], [300], 14)
    assert list(jobs) == [
        f"{n}-{c}-{{threads}}-300" for n in ("decode", "decode-parallel") for c in (1, 8)
    ]
    for ours, peer in jobs.values():
        assert peer.items() > ours.items() - {("variant", ours["variant"])} and peer["tokens"] > 0
    assert len({json.dumps(peer) for _, peer in jobs.values()}) == 2


@pytest.mark.parametrize(
    "flag", ["--size=base", "--peer=true", "--threads=0", "--threads=many", "--threads=999"]
)
def test_a_flag_that_does_not_go_with_it_is_refused(tmp_path, flag):
    args = ["train", "--against=progressive_transformers", flag]
    code, out, err = run(tmp_path, "benchmark", args)
    assert (code, out, err.count("\n")) == (2, "", 1) and flag.partition("=")[0] in err


@pytest.mark.slow
@pytest.mark.skipif(not (ROOT / ".venv-peer/installed").exists(), reason="needs make peer-env")
@pytest.mark.parametrize("mode", against.MODES)
def test_the_peer_trains_and_generates(mode):
    command = [str(ROOT / ".venv-peer/bin/python"), str(ROOT / "peers/progressive_transformers.py")]
    size = {"vocab": 20, "width": 16, "heads": 2, "mlp": 32, "layers": 1}
    common = {"model": size, "tokens": 3}
    with Worker(mode, [*command, "1", mode], dict(os.environ)) as worker:
        trained = worker.ask({"do": "train", "lengths": [5, 7], "steps": 2} | common)
        made = [
            worker.ask({"do": "decode", "clips": 2, "frames": 4, "every": every} | common)["frames"]
            for every in (1, 2)
        ]
    assert (trained["frames"], made) == (24, [8, 4])
    assert json.dumps(trained["version"]).startswith('"2.')
