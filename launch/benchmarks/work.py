"""Cost against work: a train step for several numbers of languages and lengths of clips.

    python launch/benchmark.py work [--size=tiny]

`languages-N` has N languages of --of_language rows each; `frames-T` has one language and as many
clips of T frames as make --batch_frames, one a row, so that all of these steps see as many frames.
All run in turns.
"""

from collections.abc import Iterator

import numpy as np
from absl import flags

from launch.benchmarks import rounds, workload
from launch.benchmarks.rows import numbers
from launch.benchmarks.step_run import StepRun
from signllm_jax.core.languages import LANGUAGES

COUNTS = flags.DEFINE_list("counts", ["1", "2", "4", "8"], "numbers of languages in a step")
FRAMES = flags.DEFINE_list("clip_frames", ["64", "128", "256", "512"], "frames per clip")
OF_LANGUAGE = flags.DEFINE_integer("of_language", 6, "rows of a language", lower_bound=1)
BATCH_FRAMES = flags.DEFINE_integer(
    "batch_frames", 2048, "frames in a `frames-T` step", lower_bound=1
)
ROW = 256  # frames in a row of `languages-N`
STEPS = 2  # steps of a variant in a round


def rows() -> Iterator[dict]:
    """Yields a row for each variant and one of the matrix peak; compilation is not counted."""
    counts = numbers(COUNTS, f"give 1 to {len(LANGUAGES)} languages", most=len(LANGUAGES))
    lengths = numbers(FRAMES, "give numbers of frames, as 64,128")
    codes, count = tuple(LANGUAGES), OF_LANGUAGE.value
    runs = {
        f"languages-{n}": StepRun(codes[:n], workload.lengths(), count, ROW, STEPS) for n in counts
    }
    for frames in lengths:
        count = max(1, BATCH_FRAMES.value // frames)
        runs[f"frames-{frames}"] = StepRun(codes[:1], (frames,), count, frames, STEPS)
    measured = rounds.measure({name: run.steps for name, run in runs.items()})
    for name, run in runs.items():
        cpu, _, frames = (np.median(measured[name], 0) / STEPS).tolist()
        yield run.row("work", name, measured, step_frames=frames, step_cpu_seconds=cpu)
    yield from rounds.other_rows("work", measured)
