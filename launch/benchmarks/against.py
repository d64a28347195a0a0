"""Another system beside this one, in one run and in turns: `train` and `decode` with --against.

    make peer-env
    python launch/benchmark.py train --against=progressive_transformers

The peer is `peers/progressive_transformers.py`, written for this and run by PyTorch, eagerly and
compiled; what is quicker of the two counts. Both systems get the same frames a step, the same
number of threads and of processors, and each turn is timed within the system's own process.
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
from launch.benchmarks.rows import spread
from launch.benchmarks.workers import Worker
from signllm_jax.core.errors import ConfigError

AGAINST = flags.DEFINE_enum(
    "against", None, ("progressive_transformers",), "a system that is timed in turns with this one"
)
THREADS = flags.DEFINE_list("threads", ["1", "2"], "of both systems, with --against")
ROOT = Path(__file__).resolve().parents[2]
OWN = (sys.executable, "-m", "launch.benchmarks.own_worker")
MODES = ("eager", "compiled")
ALONE = ("size", "variants", "languages", "peer", "peer_frames", "profile")
"""Flags of the benchmarks that say nothing about both systems."""
MACHINE = {"matmul_peak": "operations", "read_bandwidth": "bytes"}
MADE = 50
"""Least number of frames per clip that the peer generates, evenly spread over the clip.

Generating every frame would take most of an hour.
"""
INSTRUCTIONS = ("avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "sve")
"""Flags of a processor that say how wide its products are."""

Job = Mapping[str, object]


def rows(kind: str, jobs: Mapping[str, tuple[Job, Job]], peer: str) -> Iterator[dict]:
    """`compare` by the flags; raises ConfigError on a flag that does not go with --against."""
    for name in ALONE:
        if name in flags.FLAGS and flags.FLAGS[name].present:
            raise ConfigError(f"--{name} does not go with --against")
    lengths = ",".join(map(str, workload.lengths()))
    own = [f"--lengths={lengths}", f"--tokens={workload.TOKENS.value}"]
    yield from compare(kind, jobs, _threads(), rounds.ROUNDS.value, peer, own)


def compare(
    kind: str,
    jobs: Mapping[str, tuple[Job, Job]],
    counts: Sequence[int],
    times: int,
    peer: str,
    own: Sequence[str] = (),
) -> Iterator[dict]:
    """Yields the rows of a comparison: each system's, the machine's, and a ratio a variant.

    Args:
        kind: `train` or `decode`.
        jobs: variant, with `{threads}` in its name -> our job and the peer's.
        counts: numbers of threads, one after the other.
        times: rounds of each.
        peer: name of the peer's file.
        own: further flags of our worker.

    Raises:
        ConfigError: there is no such peer here, or a worker ended.
    """
    python, file = ROOT / ".venv-peer/bin/python", ROOT / f"peers/{peer}.py"
    for path in (python, file):
        if not path.exists():
            raise ConfigError(f"--against: no {path}: in a clone of the repository, make peer-env")
    for threads in counts:
        commands = {"ours": [*OWN, str(threads), *own]}
        commands |= {mode: [str(python), str(file), str(threads), mode] for mode in MODES}
        named = {name.format(threads=threads): pair for name, pair in jobs.items()}
        measured, version = _measure(commands, named, times, threads)
        more = {"threads": threads, "cores": os.cpu_count(), "torch": version}
        more["instructions"] = instructions()
        for name in named:
            of = {system: measured[system, name] for system in commands}
            for system, spent in of.items():
                yield rounds.row(kind, f"{system}-{name}", spent, **more)
            yield ratio_row(name, of) | more
        for name, unit in MACHINE.items():
            yield rounds.row(kind, name, measured["ours", name], unit, **more)


def ratio_row(variant: str, measured: Mapping[str, np.ndarray]) -> dict:
    """The row of a ratio: our rate by the peer's of the same round, median and range.

    Args:
        variant: name.
        measured: `ours` and the peer's modes -> [rounds, 3] as `rounds.measure` returns.
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
    """Training on so many packed rows, and the peer's batch of as many frames of whole clips.

    Args:
        sizes: numbers of rows.
        row_frames: frames of a row.
        steps: of a turn.
        lengths: frames of the clips.
        tokens: of the text of a clip.
    """
    jobs = {}
    for size in sizes:
        clips = round(size * row_frames / np.mean(lengths))
        batch = [lengths[n % len(lengths)] for n in range(clips)]
        ours = {"do": "train", "rows": size, "row_frames": row_frames, "steps": steps}
        peer = {"do": "train", "lengths": batch, "steps": steps} | _size(tokens)
        jobs[f"train-{size}rows-threads-{{threads}}"] = ours, peer
    return jobs


_NAMES = {"cached": "decode", "parallel": "decode-parallel"}  # of variants of `decode.py`


def decode_jobs(
    clips: Sequence[int], frames: Sequence[int], tokens: int
) -> dict[str, tuple[Job, Job]]:
    """Free-running generation of so many clips together, each so many frames long.

    Ours is by both kinds of decoder, the peer has but one.

    Args:
        clips: numbers of clips.
        frames: lengths.
        tokens: of the text of a clip.
    """
    jobs = {}
    for variant, length, count in itertools.product(_NAMES, frames, clips):
        job = {"do": "decode", "clips": count, "frames": length}
        every = max(length // MADE, 1)
        peer = job | {"every": every} | _size(tokens)
        jobs[f"{_NAMES[variant]}-{count}-{{threads}}-{length}"] = job | {"variant": variant}, peer
    return jobs


def instructions() -> list[str]:
    """Which of INSTRUCTIONS the processor has; empty where the system does not say."""
    try:
        words = set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        return []
    return [name for name in INSTRUCTIONS if name in words]


def _size(tokens: int) -> dict:
    model = {name: workload.PEER_MODEL[name] for name in ("vocab", "width", "heads", "mlp")}
    return {"model": model | {"layers": 2}, "tokens": tokens}


def _threads() -> list[int]:
    cores = len(os.sched_getaffinity(0))
    try:
        counts = [int(value) for value in THREADS.value]
    except ValueError:
        counts = []
    if not counts or min(counts) < 1 or max(counts) > cores:
        raise ConfigError(f"--threads={','.join(THREADS.value)}: this machine has 1 to {cores}")
    return counts


def _measure(
    commands: Mapping[str, Sequence[str]],
    jobs: Mapping[str, tuple[Job, Job]],
    times: int,
    threads: int,
) -> tuple[dict[tuple[str, str], np.ndarray], str]:
    """(system, variant) -> [rounds, 3], and PyTorch's version; systems take turns in each round.

    A job that several variants have in common is done once a round.
    """
    of: dict[tuple[str, str], Job] = {("ours", name): {"do": name} for name in MACHINE}
    for name, (own, other) in jobs.items():
        of |= {(system, name): own if system == "ours" else other for system in commands}
    key = {at: (at[0], json.dumps(job)) for at, job in of.items()}
    turns = {key[at]: job for at, job in of.items()}
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads))
    spent: dict[tuple[str, str], list[tuple[float, float, float]]] = {turn: [] for turn in turns}
    version = ""
    with contextlib.ExitStack() as stack:
        workers = {
            system: stack.enter_context(Worker(system, command, environment))
            for system, command in commands.items()
        }
        for number in range(1 + times):  # in the first, everything is made
            for (system, text), job in turns.items():
                said = workers[system].ask(job)
                version = said.get("version", version)
                if number:
                    values = said["cpu_seconds"], said["wall_seconds"], said["frames"]
                    spent[system, text].append(values)
    return {at: np.array(spent[turn], np.float64) for at, turn in key.items()}, version
