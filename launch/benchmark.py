"""Measures a part of the system and prints one JSON object a line.

    python launch/benchmark.py NAME

The names: before, decode, dtw, input, lift, lift_quality, metrics, plan, prepare, replay, serve,
speed, start, takes, train and work.

Each line has `benchmark, variant, cpu_seconds, wall_seconds`, what was counted (`frames`, `pairs`
or `examples`) and `per_cpu_second`.
"""

import importlib
import json
import sys

from signllm_jax.core import cli
from signllm_jax.core.errors import ConfigError
from signllm_jax.core.memory import keep_freed

# modules of launch.benchmarks, which may define flags of their own
BENCHMARKS = (
    "before",
    "decode",
    "dtw",
    "input",
    "lift",
    "lift_quality",
    "metrics",
    "plan",
    "prepare",
    "replay",
    "serve",
    "speed",
    "start",
    "takes",
    "train",
    "work",
)

name = sys.argv.pop(1) if len(sys.argv) > 1 and not sys.argv[1].startswith("-") else ""
module = importlib.import_module(f"launch.benchmarks.{name}") if name in BENCHMARKS else None


def main():
    """Prints the rows of the benchmark that was named."""
    if module is None:
        raise ConfigError(f"name a benchmark, one of {', '.join(BENCHMARKS)}, not {name!r}")
    keep_freed()  # as training does
    for row in module.rows():
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    cli.run(main)
