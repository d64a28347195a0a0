"""From the start of the training command to its first step, with and without kept programs.

    python launch/benchmark.py start [--set=NAME=VALUE ...]

The command is the demo's; its corpus is prepared before. A run is stopped when the metrics of its
first step are written, so one step more than the first is counted.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from absl import flags

from launch.benchmarks import rounds
from launch.benchmarks.rows import clocks, since
from signllm_jax.core import cli
from signllm_jax.core.errors import TrainingError

STARTS = flags.DEFINE_integer("starts", 5, "starts with kept programs", lower_bound=1)
SET = flags.DEFINE_multi_string("set", [], "changes of the config, as train.batch_size=2")
TRAIN = Path(cli.config_path("configs/mlsf.py")).parent.parent / "launch" / "train.py"


def rows() -> Iterator[dict]:
    """Yields `cold` and `warm`; `wall_seconds` end at the first step, CPU seconds with the run."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        _first_step(work, "prepares", work / "other")
        for variant, count in (("cold", 1), ("warm", STARTS.value)):
            names = [f"{variant}-{n}" for n in range(count)]
            measured = [_first_step(work, name, work / "cache") for name in names]
            yield rounds.row("start", variant, np.array(measured), "starts")


def _first_step(work: Path, name: str, cache: Path) -> tuple[float, float, float]:
    command = [sys.executable, str(TRAIN), f"--config={cli.config_path('configs/mlsf.py')}"]
    command += [f"--workdir={work / name}", "--config.log.every=1"]
    command += [f"--config.{change}" for change in SET.value]
    began = clocks()
    process = subprocess.Popen(
        command,
        env=dict(os.environ, SIGNLLM_CACHE_DIR=str(cache)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    metrics = work / name / "metrics.jsonl"
    while process.poll() is None and not (metrics.exists() and metrics.stat().st_size):
        time.sleep(0.02)
    _, wall = since(began)
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate()
    if process.returncode not in (0, cli.STOPPED):
        raise TrainingError(f"the run that was timed failed: {error.decode().strip()[-200:]}")
    return since(began)[0], wall, 1.0
