"""Runs a study whose page stands in docs/.

    python launch/study.py referees
    python launch/study.py variety --seed=0 --output=docs/variety/seed-0.json --takes=DIR
    python launch/study.py variety

The first plants faults into real takes and writes docs/referees.md. The second trains models on
texts that many sign and writes one seed's figures, the third docs/variety.md from the seeds that
are there. launch/ablation.py has the study of reinforcement learning.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from absl import flags

from signllm_jax.core import cli

SEED = flags.DEFINE_integer("seed", 0, "of what is trained but the readers", lower_bound=0)
OUTPUT = flags.DEFINE_string("output", None, "one seed's figures; without it the page is written")
DOCS = flags.DEFINE_string("docs", "docs", "folder of the pages")
TAKES = flags.DEFINE_string("takes", None, "takes of ASL signs with their index.csv")
WORK = flags.DEFINE_string("work", "runs/variety", "where runs and prepared takes are kept")
WAYS = flags.DEFINE_list("ways", ["mse", "latent", "parallel"], "models to train")
STEPS = flags.DEFINE_integer("steps", 0, "of each model, 0 = its config's", lower_bound=0)
DATA_DIR = flags.DEFINE_string("data_dir", None, "prepared data; by default the usual place")

name = sys.argv.pop(1) if len(sys.argv) > 1 and not sys.argv[1].startswith("-") else ""


def referees() -> Iterator[str]:
    """Which figure sees which fault."""
    from launch.studies import referees

    yield str(referees.write(Path(DOCS.value) / "referees.md"))


def variety() -> Iterator[str]:
    """One seed's figures, or the page."""
    from launch.studies import variety, variety_page

    if OUTPUT.value is None:
        yield variety_page.write(Path(DOCS.value))
        return
    yield from variety.make(
        variety.Options(
            output=Path(OUTPUT.value),
            seed=SEED.value,
            work=Path(WORK.value),
            takes=Path(TAKES.value) if TAKES.value else None,
            ways=WAYS.value,
            steps=STEPS.value,
            data_dir=DATA_DIR.value,
        )
    )


STUDIES = {"referees": referees, "variety": variety}


def main() -> None:
    """Runs the study that was named and prints what it says."""
    from signllm_jax.core.errors import ConfigError
    from signllm_jax.core.memory import keep_freed

    if name not in STUDIES:
        raise ConfigError(f"name a study, one of {', '.join(STUDIES)}, not {name!r}")
    keep_freed()  # as training does
    for line in STUDIES[name]():
        print(line, flush=True)


if __name__ == "__main__":
    cli.run(main)
