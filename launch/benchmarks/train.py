"""The train step: real frames a second, beside the machine's matrix-multiplication peak.

    python launch/benchmark.py train --like=progressive_transformers

    python launch/benchmark.py train --against=progressive_transformers    # after make peer-env

The variants run in turns: `packed` is the step as it is used, `padded` has one clip a row.
`flops_share` counts only the operations that real frames need (`workload.clip_flops`).
"""

from collections.abc import Iterator

from absl import flags

from launch.benchmarks import against, rounds, workload
from launch.benchmarks.step_run import StepRun

ROWS = flags.DEFINE_integer("rows", 5, "rows of a language in a batch", lower_bound=1)
COMPARED_ROWS = (8, 16)  # with --against
ROW_FRAMES = flags.DEFINE_integer("row_frames", 256, "frames of a packed row", lower_bound=1)
STEPS = flags.DEFINE_integer("steps", 2, "steps of a variant in a round", lower_bound=1)
LANGUAGES = flags.DEFINE_list("languages", ["asl"], "languages that are trained side by side")
CHOSEN = flags.DEFINE_list("variants", ["packed"], "packed, padded")


def rows() -> Iterator[dict]:
    """Yields a row for each variant and one of the matrix peak; compilation is not counted.

    With --against, the rows are those of `against.rows`.
    """
    if peer := against.AGAINST.value:
        sizes = (ROWS.value,) if flags.FLAGS[ROWS.name].present else COMPARED_ROWS
        jobs = against.train_jobs(
            sizes, ROW_FRAMES.value, STEPS.value, workload.lengths(), workload.TOKENS.value
        )
        yield from against.rows("train", jobs, peer)
        return
    sizes = ROWS.value, ROW_FRAMES.value, STEPS.value
    lanes, lengths = tuple(LANGUAGES.value), workload.lengths()
    runs = {n: StepRun(lanes, lengths, *sizes, packed=n == "packed") for n in CHOSEN.value}
    measured = rounds.measure({name: run.steps for name, run in runs.items()})
    for name, run in runs.items():
        padding = 1 - measured[name][0, 2] / (run.places * STEPS.value)
        yield run.row("train", name, measured, padding=padding)
    yield from rounds.other_rows("train", measured)
