"""Time from the start of a run to its first batch of data, and the memory that the data take.

    python launch/benchmark.py plan [--clips=1e4,1e5,1e6,2e6] [--document=docs/scale.md]

What a corpus of so many clips lists is written as it is prepared; the clips themselves are made up
when a batch has them. Each row is of a process of its own. `first` is the first run on a corpus,
which counts the tokens of every text; `plan` is every further one; `resume` goes on in epoch 1,000.
The last two are run in turns, `--rounds` times each, and the row is the run of the median time.
`bytes_per_clip` is what the process holds more than before, pages of mapped files included.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from absl import flags

from launch.benchmarks import rounds
from launch.benchmarks.plan_worker import write_corpus
from launch.benchmarks.rows import row
from signllm_jax.core import markdown
from signllm_jax.core.errors import ConfigError

COUNTS = flags.DEFINE_list("clips", ["1e4", "1e5", "1e6", "2e6"], "numbers of clips of a corpus")
PLAN = flags.DEFINE_integer("plan", 2, "config.data.plan", lower_bound=1, upper_bound=2)
DOCUMENT = flags.DEFINE_string("document", None, "Markdown file to write the table into")
EPOCHS = {"first": 0, "plan": 0, "resume": 1000}
"""Variant -> the epoch that it starts in."""


def rows() -> Iterator[dict]:
    """One row a variant and number of clips; raises ConfigError on a number that is none."""
    from signllm_jax.eval.results import write_readme

    try:
        counts = [int(float(value)) for value in COUNTS.value]
    except (ValueError, OverflowError):
        counts = []
    if not counts or min(counts) < 1:
        raise ConfigError(f"--clips={','.join(COUNTS.value)}: give numbers, such as 1e4,1e5")
    made = []
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            write_corpus(Path(folder), count)
            found = [_start(folder, "first", count)]
            runs = [
                [_start(folder, variant, count) for variant in ("plan", "resume")]
                for _ in range(rounds.ROUNDS.value)
            ]
            found += [_median(each) for each in zip(*runs)]
            made += found
            yield from found
    if DOCUMENT.value:
        lines = [
            [f"{r['variant']}", f"{r['clips']:,}", f"{r['wall_seconds']:.2f}{_range(r)}"]
            + [f"{r['cpu_seconds']:.2f}", f"{r['bytes_per_clip']:.0f}", f"{r['padding']:.1%}"]
            for r in made
        ]
        head = ["start", "clips", "seconds to the first batch", "CPU seconds", "bytes a clip"]
        write_readme(DOCUMENT.value, markdown.table([*head, "padding"], lines))


def _median(runs: Sequence[dict]) -> dict:
    """The run of the median time, with the range of all."""
    ordered = sorted(runs, key=lambda run: run["wall_seconds"])
    low, high = (ordered[place]["wall_seconds"] for place in (0, -1))
    more = {"rounds": len(runs), "wall_seconds_low": low, "wall_seconds_high": high}
    return ordered[len(ordered) // 2] | more


def _range(row: dict) -> str:
    if row.get("rounds", 1) == 1:
        return ""
    return f" ({row['wall_seconds_low']:.2f} to {row['wall_seconds_high']:.2f})"


def _start(folder: str, variant: str, count: int) -> dict:
    epoch = EPOCHS[variant]
    command = [sys.executable, "-m", "launch.benchmarks.plan_worker"]
    environment = dict(os.environ, XDG_CACHE_HOME=folder)
    done = subprocess.run(
        [*command, folder, str(PLAN.value), str(epoch)],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        raise ConfigError(f"plan: the process for {count} clips failed")
    said = json.loads(done.stdout)
    spent = said.pop("cpu_seconds"), said.pop("wall_seconds")
    return row("plan", variant, *spent, count, "clips", plan=PLAN.value, epoch=epoch, **said)
