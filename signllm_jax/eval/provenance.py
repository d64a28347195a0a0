"""The origin of a report's figures: the run, the machine, the versions, the time spent."""

import dataclasses
import os
import platform
import time
from collections.abc import Mapping
from pathlib import Path

import jax

from signllm_jax.artifacts.group import Group
from signllm_jax.artifacts.run_files import read_final
from signllm_jax.core.config import Config
from signllm_jax.core.storage import AnyPath
from signllm_jax.core.version import versions

PACKAGES = ("signllm_jax", "jax", "flax", "optax", "numpy", "jiwer")
"""Packages that the figures of a report depend on."""


def spent() -> tuple[float, float]:
    """Seconds of a clock and CPU seconds of this process and its finished children."""
    return time.monotonic(), sum(os.times()[:4])


def hardware() -> dict[str, str | int | None]:
    """The machine: `cpu` model, `cores` that may be used, and jax's `device`."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(x.split(":", 1)[1].strip() for x in lines if x.startswith("model name"))
    except (OSError, StopIteration):
        pass  # not Linux, or a processor that does not say
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"cpu": model, "cores": cores, "device": jax.local_devices()[0].device_kind}


def describe_run(
    workdir: AnyPath,
    config: Config,
    groups: dict[str, Group],
    began: tuple[float, float],
    kept_seconds: float,
) -> dict:
    """The `run` section of a report.

    Args:
        workdir: Work directory of the run; the final.json of a finished run has its costs.
        config: Config of the run.
        groups: Groups that were evaluated.
        began: `spent()` at the start of the evaluation.
        kept_seconds: CPU seconds that the readers took in an earlier evaluation.

    Returns:
        `seed`, `steps` and, for a finished run, `seconds`, `cpu_seconds` (of training), `goodput`
        (seconds by phase, see `train/clock.py`), `data` (digests) and `params_sha256`; `groups`
        (step and main dev metric of each language's parameters);
        `evaluation_seconds`, `evaluation_cpu_seconds`; `total_cpu_seconds` of training, readers
        and evaluation, the same whether readers were trained now or before; `versions` and
        `hardware`.
    """
    final = read_final(workdir)
    ended = {} if final is None else dataclasses.asdict(final)
    wall, cpu = (now - then for now, then in zip(spent(), began))
    of_training = ("seconds", "cpu_seconds", "goodput", "data", "params_sha256")
    return {
        "name": config.name,
        "dataset": config.data.dataset,
        "size": config.size,
        "seed": config.train.seed,
        "steps": ended.get("step", max(group.step for group in groups.values())),
        **{name: ended[name] for name in of_training if ended.get(name) is not None},
        "groups": {c: {"step": g.step, "dev_score": g.dev_score} for c, g in groups.items()},
        "evaluation_seconds": wall,
        "evaluation_cpu_seconds": cpu,
        "total_cpu_seconds": (ended.get("cpu_seconds") or 0.0) + kept_seconds + cpu,
        "versions": versions(*PACKAGES) | (ended.get("versions") or {}),
        "hardware": hardware(),
    }


def goodput_line(seconds: Mapping[str, float]) -> str:
    """A line about the seconds that a run spent in each phase.

    Args:
        seconds: Phase -> seconds; `steps` is one of the phases.
    """
    share = seconds.get("steps", 0.0) / max(sum(seconds.values()), 1e-9)
    named = (f"{phase.replace('_', ' ')} {s:.0f} s" for phase, s in seconds.items() if s >= 0.5)
    return f"goodput of training: {share:.0%} in steps ({', '.join(named)})"
