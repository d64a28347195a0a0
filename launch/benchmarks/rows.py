"""What the benchmarks share: printed rows, clocks, lists of numbers in flags, and commands."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from signllm_jax.core.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
"""This checkout of the project."""


def row(
    benchmark: str, variant: str, cpu: float, wall: float, count: float, unit: str, **more: Any
) -> dict[str, Any]:
    """One line of `launch/benchmark.py`.

    Args:
        benchmark: Name of the benchmark.
        variant: Name of what was measured.
        cpu: CPU seconds of all threads.
        wall: Seconds of a clock.
        count: Amount of work.
        unit: What the work is counted in, such as `frames`.
        more: Further fields.
    """
    named = {"benchmark": benchmark, "variant": variant, "cpu_seconds": cpu, "wall_seconds": wall}
    return named | {unit: count, "per_cpu_second": count / max(cpu, 1e-9)} | more


def spread(name: str, ratios: np.ndarray, end: str = "") -> dict[str, float]:
    """The median of the rounds' ratios under a name, and their range under `low` and `high`.

    Args:
        name: Name of the median.
        ratios: Ratio of each round, float64 [rounds].
        end: Suffix of all three names.
    """
    values = {name: np.median(ratios), "low": ratios.min(), "high": ratios.max()}
    return {f"{key}{end}": float(value) for key, value in values.items()}


def earlier_row(
    variant: str, ours: Sequence[float], before: Sequence[float], unit: str
) -> dict[str, Any]:
    """The row of a comparison with an earlier version: median and range of the rates' ratio.

    Args:
        variant: Name of what was measured.
        ours: Rate of each round per CPU second.
        before: Rates of the earlier checkout.
        unit: What the rates count.
    """
    times = np.asarray(ours) / np.asarray(before)
    return {
        "benchmark": "before",
        "variant": variant,
        "rounds": len(times),
        **spread("times_before", times),
        "per_cpu_second": float(np.median(ours)),
        "per_cpu_second_before": float(np.median(before)),
        "unit": unit,
    }


def clip_figures(rate: float, frames: int, clips: int) -> dict[str, float]:
    """The figures that papers quote: clips per second, and seconds to the first frame.

    A clip is returned when it is complete, together with all clips of its batch.

    Args:
        rate: Frames per second, of all clips together.
        frames: Frames of a clip.
        clips: Number of clips that are made together.
    """
    return {"clips_per_second": rate / frames, "first_frame_seconds": frames * clips / rate}


def clocks() -> tuple[float, float]:
    """CPU seconds of this process and of its children that have ended, and those of a clock."""
    child = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + child.ru_utime + child.ru_stime, time.perf_counter()


def since(began: tuple[float, float]) -> tuple[float, float]:
    """CPU and wall seconds since `clocks` gave `began`."""
    cpu, wall = clocks()
    return cpu - began[0], wall - began[1]


def timed(run: Callable[[], Any]) -> tuple[float, float, Any]:
    """CPU seconds, wall seconds, and the result."""
    began = clocks()
    result = run()
    return *since(began), result


def numbers(flag: flags.FlagHolder, hint: str, least: int = 1, most: float = np.inf) -> list[int]:
    """The whole numbers of a list flag, which may be written as 1e4.

    Args:
        flag: Flag whose value is a list of texts.
        hint: Text that says in the error which numbers are expected.
        least: Least number.
        most: Greatest number.

    Raises:
        ConfigError: The list is empty, or a value is no whole number in this range.
    """
    try:
        values = [float(value) for value in flag.value]
    except ValueError:
        values = []
    if not values or not all(v.is_integer() and least <= v <= most for v in values):
        raise ConfigError(f"--{flag.name}={','.join(flag.value)}: {hint}")
    return [int(value) for value in values]


def run_command(
    command: Sequence[str], checkout: Path = ROOT, python: str = sys.executable, **variables: str
) -> str:
    """Runs a command of a checkout in its folder; returns its standard output.

    Args:
        command: A file of `launch/` and its arguments.
        checkout: Folder of the project.
        python: Path of the Python interpreter.
        variables: Environment variables in addition to the current ones.

    Raises:
        ConfigError: The command fails.
    """
    environment = dict(os.environ, PYTHONPATH=str(checkout), **variables)
    arguments = [python, str(checkout / "launch" / command[0]), *command[1:]]
    done = subprocess.run(
        arguments, cwd=checkout, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ConfigError(f"{checkout}: {' '.join(command)} failed: {done.stderr[-500:]}")
    return done.stdout
