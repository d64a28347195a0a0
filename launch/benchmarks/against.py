"""Another system beside this one, in one run and in turns: `train` and `decode` with --against.

    make peer-env
    python launch/benchmark.py train --against=progressive_transformers

The peer is `peers/progressive_transformers.py`, written for this comparison and run by PyTorch,
eagerly and compiled; the faster of the two counts. Both systems get the same number of frames per
step, of threads and of processors, and each turn is timed within the process of the system.
"""

import contextlib
import itertools
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from absl import flags

from launch.benchmarks import rounds, workload
from launch.benchmarks.rows import ROOT, numbers, spread
from launch.benchmarks.workers import Worker
from signllm_jax.core.errors import ConfigError

AGAINST = flags.DEFINE_enum(
    "against", None, ("progressive_transformers",), "a system that is timed in turns with this one"
)
THREADS = flags.DEFINE_list("threads", ["1", "2"], "threads of both systems, with --against")
OWN = (sys.executable, "-m", "launch.benchmarks.own_worker")
MODES = ("eager", "compiled")
ALONE = ("size", "variants", "languages", "peer", "peer_frames", "profile")
"""Flags of the benchmarks that do not apply to both systems."""
MACHINE = {"matmul_peak": "operations", "read_bandwidth": "bytes"}
MADE = 50
"""Least number of frames per clip that the peer generates, spread evenly over the clip.

Generating every frame would take most of an hour.
"""
INSTRUCTIONS = ("avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "sve")
"""Flags of a processor that tell the width of its products."""

Job = Mapping[str, object]


def rows(kind: str, jobs: Mapping[str, tuple[Job, Job]], peer: str) -> Iterator[dict]:
    """`compare` by the flags; raises ConfigError on a flag that does not go with --against."""
    for name in ALONE:
        if name in flags.FLAGS and flags.FLAGS[name].present:
            raise ConfigError(f"--{name} does not go with --against")
    lengths = ",".join(map(str, workload.lengths()))
    options = [f"--lengths={lengths}", f"--tokens={workload.TOKENS.value}"]
    cores = len(os.sched_getaffinity(0))
    counts = numbers(THREADS, f"this machine has 1 to {cores}", most=cores)
    yield from compare(kind, jobs, counts, rounds.ROUNDS.value, peer, options)


def compare(
    kind: str,
    jobs: Mapping[str, tuple[Job, Job]],
    counts: Sequence[int],
    times: int,
    peer: str,
    options: Sequence[str] = (),
) -> Iterator[dict]:
    """Yields the rows of a comparison: of each system, of the machine, and a ratio per variant.

    Args:
        kind: `train` or `decode`.
        jobs: Variant, with `{threads}` in its name -> our job and the peer's.
        counts: Numbers of threads, one after the other.
        times: Number of rounds for each.
        peer: Name of the peer's file.
        options: Further flags of our worker.

    Raises:
        ConfigError: The peer is not installed, or a worker ended.
    """
    python, file = ROOT / ".venv-peer/bin/python", ROOT / f"peers/{peer}.py"
    for path in (python, file):
        if not path.exists():
            raise ConfigError(f"--against: no {path}: in a clone of the repository, make peer-env")
    for threads in counts:
        commands = {"ours": [*OWN, str(threads), *options]}
        commands |= {mode: [str(python), str(file), str(threads), mode] for mode in MODES}
        named = {name.format(threads=threads): pair for name, pair in jobs.items()}
        measured, version = _measure(commands, named, times, threads)
        more = {"threads": threads, "cores": os.cpu_count(), "torch": version}
        more["instructions"] = instructions()
        for name in named:
            by_system = {system: measured[system, name] for system in commands}
            for system, spent in by_system.items():
                yield rounds.row(kind, f"{system}-{name}", spent, **more)
            yield ratio_row(name, by_system) | more
        for name, unit in MACHINE.items():
            yield rounds.row(kind, name, measured["ours", name], unit, **more)


def ratio_row(variant: str, measured: Mapping[str, np.ndarray]) -> dict:
    """The row of our rate divided by the peer's of the same round: median and range.

    Args:
        variant: Name of the variant.
        measured: `ours` and the modes of the peer -> [rounds, 3], see `rounds.measure`.
    """

    def rate(name: str, column: int) -> np.ndarray:
        return measured[name][:, 2] / measured[name][:, column]

    peer = max((name for name in measured if name != "ours"), key=lambda n: np.median(rate(n, 1)))
    wall, cpu = (rate("ours", column) / rate(peer, column) for column in (1, 0))
    return {
        "benchmark": "ratio",
        "variant": variant,
        "rounds": len(wall),
        **spread("times_peer", wall),
        **spread("times_peer", cpu, "_of_cpu"),
        "peer": peer,
    }


def train_jobs(
    sizes: Sequence[int], row_frames: int, steps: int, lengths: Sequence[int], tokens: int
) -> dict[str, tuple[Job, Job]]:
    """Training on packed rows, and the peer's batch of as many frames of whole clips.

    Args:
        sizes: Numbers of rows.
        row_frames: Number of frames in a row.
        steps: Number of steps in a turn.
        lengths: Numbers of frames of the clips.
        tokens: Number of tokens in the text of a clip.
    """
    jobs = {}
    for size in sizes:
        clips = round(size * row_frames / np.mean(lengths))
        batch = [lengths[n % len(lengths)] for n in range(clips)]
        ours = {"do": "train", "rows": size, "row_frames": row_frames, "steps": steps}
        peer = {"do": "train", "lengths": batch, "steps": steps} | _size(tokens)
        jobs[f"train-{size}rows-threads-{{threads}}"] = ours, peer
    return jobs


_NAMES = {"cached": "decode", "parallel": "decode-parallel"}  # variant of `decode.py` -> name


def decode_jobs(
    clips: Sequence[int], frames: Sequence[int], tokens: int
) -> dict[str, tuple[Job, Job]]:
    """Free-running generation of several clips together, all of one length.

    We have both kinds of decoder; the peer has only one.

    Args:
        clips: Numbers of clips.
        frames: Numbers of frames per clip.
        tokens: Number of tokens in the text of a clip.
    """
    jobs = {}
    for variant, length, count in itertools.product(_NAMES, frames, clips):
        job = {"do": "decode", "clips": count, "frames": length}
        every = max(length // MADE, 1)
        peer = job | {"every": every} | _size(tokens)
        jobs[f"{_NAMES[variant]}-{count}-{{threads}}-{length}"] = job | {"variant": variant}, peer
    return jobs


def instructions() -> list[str]:
    """Those of INSTRUCTIONS that the processor has; empty where the system does not list them."""
    try:
        words = set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        return []
    return [name for name in INSTRUCTIONS if name in words]


def _size(tokens: int) -> dict:
    model = {name: workload.PEER_MODEL[name] for name in ("vocab", "width", "heads", "mlp")}
    return {"model": model | {"layers": 2}, "tokens": tokens}


def _measure(
    commands: Mapping[str, Sequence[str]],
    jobs: Mapping[str, tuple[Job, Job]],
    times: int,
    threads: int,
) -> tuple[dict[tuple[str, str], np.ndarray], str]:
    """(system, variant) -> [rounds, 3], and PyTorch's version; systems take turns in each round.

    A job that several variants share is done once per round.
    """
    wanted = {("ours", name): json.dumps({"do": name}) for name in MACHINE}
    for name, (ours, peer) in jobs.items():
        for system in commands:
            wanted[system, name] = json.dumps(ours if system == "ours" else peer)
    turns = {key: (key[0], job) for key, job in wanted.items()}
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads))
    spent: dict[tuple[str, str], list[tuple[float, float, float]]]
    spent, version = {turn: [] for turn in turns.values()}, ""
    with contextlib.ExitStack() as stack:
        workers = {
            system: stack.enter_context(Worker(system, command, environment))
            for system, command in commands.items()
        }
        for number in range(1 + times):  # the first round compiles
            for (system, job), measured in spent.items():
                answer = workers[system].ask(json.loads(job))
                version = answer.get("version", version)
                values = answer["cpu_seconds"], answer["wall_seconds"], answer["frames"]
                if number:
                    measured.append(values)
    return {key: np.array(spent[turn], np.float64) for key, turn in turns.items()}, version
