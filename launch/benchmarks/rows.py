"""A row of a benchmark as it is printed, and the clocks that it is measured by."""

import resource
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


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
        name: Of the median.
        ratios: float64 [rounds].
        end: Of all three names.
    """
    found = {name: np.median(ratios), "low": ratios.min(), "high": ratios.max()}
    return {f"{key}{end}": float(value) for key, value in found.items()}


def earlier_row(
    variant: str, ours: Sequence[float], before: Sequence[float], unit: str
) -> dict[str, Any]:
    """The row of a comparison with an earlier version: median and range of the rates' ratio.

    Args:
        variant: Name.
        ours: Rate of each round, by CPU seconds.
        before: The same of the earlier checkout.
        unit: What is counted by a CPU second.
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
    """What others quote of generation: clips a second, and seconds to the first frame.

    A clip is given when it is whole, and with it all that are made together.

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
