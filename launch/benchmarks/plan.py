"""Time from the start of a run to its first batch of data, and the memory that the data take.

    python launch/benchmark.py plan [--clips=1e4,1e5,1e6,2e6] [--document=docs/scale.md]

The listing of a corpus of so many clips is written as when it is prepared; the clips themselves are
made when a batch needs them. Each row is measured in a fresh process. `first` is the first run on a
corpus, which counts the tokens of every text; `plan` is every further run; `resume` continues in
epoch 1,000. The last two run in turns, `--rounds` times each, and the row is the run of the median
time. `bytes_per_clip` is the growth of the resident memory, with pages of mapped files.
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
from launch.benchmarks.rows import numbers, row
from signllm_jax.core import markdown
from signllm_jax.core.errors import ConfigError
from signllm_jax.eval.results import write_readme

COUNTS = flags.DEFINE_list("clips", ["1e4", "1e5", "1e6", "2e6"], "numbers of clips of a corpus")
PLAN = flags.DEFINE_integer("plan", 2, "config.data.plan", lower_bound=1, upper_bound=2)
DOCUMENT = flags.DEFINE_string("document", None, "Markdown file to write the table into")
EPOCHS = {"first": 0, "plan": 0, "resume": 1000}
"""Variant -> its first epoch."""
COLUMNS = {
    "start": "{variant}",
    "clips": "{clips:,}",
    "seconds to the first batch": "{wall_seconds:.2f}{range}",
    "CPU seconds": "{cpu_seconds:.2f}",
    "bytes a clip": "{bytes_per_clip:.0f}",
    "padding": "{padding:.1%}",
}
"""Head of a column of the table -> format of its cells."""


def rows() -> Iterator[dict]:
    """Yields a row for each variant and number of clips."""
    made = []
    for count in numbers(COUNTS, "give numbers, such as 1e4,1e5"):
        with tempfile.TemporaryDirectory() as folder:
            write_corpus(Path(folder), count)
            measured = [_start(folder, "first", count)]
            turns = [
                [_start(folder, variant, count) for variant in ("plan", "resume")]
                for _ in range(rounds.ROUNDS.value)
            ]
            measured += map(_median, zip(*turns))
            made += measured
            yield from measured
    if DOCUMENT.value:
        lines = []
        for r in made:
            form = " ({wall_seconds_low:.2f} to {wall_seconds_high:.2f})"
            span = form.format(**r) if r.get("rounds", 1) > 1 else ""
            lines.append([form.format(**r, range=span) for form in COLUMNS.values()])
        write_readme(DOCUMENT.value, markdown.table([*COLUMNS], lines))


def _median(runs: Sequence[dict]) -> dict:
    """The run of the median time, with the range of all runs."""
    ordered = sorted(runs, key=lambda run: run["wall_seconds"])
    low, high = (ordered[index]["wall_seconds"] for index in (0, -1))
    more = {"rounds": len(runs), "wall_seconds_low": low, "wall_seconds_high": high}
    return ordered[len(ordered) // 2] | more


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
    figures = json.loads(done.stdout)
    spent = figures.pop("cpu_seconds"), figures.pop("wall_seconds")
    return row("plan", variant, *spent, count, "clips", plan=PLAN.value, epoch=epoch, **figures)
