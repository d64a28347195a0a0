"""Cost against work: a train step by the number of languages and by the length of the clips.

    python launch/benchmark.py work [--size=tiny]

`languages-N` has N languages of --of_language rows each; `frames-T` has one language and as many
clips of T frames as make --batch_frames, one a row, so that all of these steps see as many frames.
All run in turns.
"""

from collections.abc import Iterator

import numpy as np
from absl import flags

from launch.benchmarks import rounds, workload
from launch.benchmarks.step_run import StepRun
from signllm_jax.core.errors import ConfigError
from signllm_jax.core.languages import LANGUAGES

COUNTS = flags.DEFINE_list("counts", ["1", "2", "4", "8"], "of languages in a step")
FRAMES = flags.DEFINE_list("clip_frames", ["64", "128", "256", "512"], "of the clips in a step")
OF_LANGUAGE = flags.DEFINE_integer("of_language", 6, "rows of a language", lower_bound=1)
BATCH_FRAMES = flags.DEFINE_integer("batch_frames", 2048, "of a step of `frames-T`", lower_bound=1)
ROW = 256  # frames of a row of `languages-N`
STEPS = 2  # of a variant in a round


def rows() -> Iterator[dict]:
    """Yields a row a variant and one of the matrix peak; compilation is not counted."""
    try:
        counts, lengths = [int(n) for n in COUNTS.value], [int(t) for t in FRAMES.value]
    except ValueError:
        counts = lengths = []
    if not counts or not lengths or min(counts + lengths) < 1 or max(counts) > len(LANGUAGES):
        raise ConfigError(
            f"--counts={','.join(COUNTS.value)} --clip_frames={','.join(FRAMES.value)}: give "
            f"1 to {len(LANGUAGES)} languages, and frames"
        )
    codes, one = tuple(LANGUAGES), OF_LANGUAGE.value
    runs = {
        f"languages-{n}": (n, ROW, StepRun(codes[:n], workload.lengths(), one, ROW, STEPS))
        for n in counts
    }
    for frames in lengths:
        count = max(1, BATCH_FRAMES.value // frames)
        run = StepRun(codes[:1], (frames,), count, frames, STEPS)
        runs[f"frames-{frames}"] = 1, frames, run
    measured = rounds.measure({name: run.steps for name, (_, _, run) in runs.items()})
    peak = measured[rounds.PEAK]
    for name, (languages, frames, run) in runs.items():
        own = measured[name]
        flops = run.operations(own)
        yield rounds.row(
            "work",
            name,
            own,
            step_frames=float(np.median(own[:, 2])) / STEPS,
            step_seconds=float(np.median(own[:, 1])) / STEPS,
            step_cpu_seconds=float(np.median(own[:, 0])) / STEPS,
            flops_share=rounds.ratio(flops, peak),
            languages=languages,
            row_frames=frames,
            rows=run.config.train.batch_size,
            **workload.describe(run.config),
        )
    yield from rounds.other_rows("work", measured)
