"""Runs a study whose page stands in docs/.

    python launch/study.py referees
    python launch/study.py variety --seed=0 --output=docs/variety/seed-0.json --takes=DIR
    python launch/study.py variety [--plain=RUN,RUN]
    python launch/study.py sentences --seed=0 --output=docs/sentences/seed-0.json --takes=DIR
    python launch/study.py sentences

`referees` plants faults into real takes and writes docs/referees.md. `variety` trains models of
texts that many people sign. `sentences` trains models and readers on sentences of real signs (with
--corpora=names a model that reads questions and spells names). Both write the figures of one seed,
or, without --output, the page from the records of the seeds. launch/ablation.py runs the study of
reinforcement learning.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from absl import flags

from signllm_jax.core import cli

SEED = flags.DEFINE_integer("seed", 0, "seed of all training but the readers'", lower_bound=0)
OUTPUT = flags.DEFINE_string(
    "output", None, "file of a seed's figures; without it the page is written"
)
DOCS = flags.DEFINE_string("docs", "docs", "folder of the pages")
WORK = flags.DEFINE_string("work", "runs/studies", "folder of runs and prepared takes")
TAKES = flags.DEFINE_string(
    "takes", None, "takes of ASL signs: index.csv, .pose; by default those beside the checkout"
)
SIGNS = flags.DEFINE_string("signs", None, "for sentences: TSL signs: index.csv, .pose")
CORPORA = flags.DEFINE_list("corpora", ["order", "tsl"], "for sentences: order, tsl, names")
SPLIT = flags.DEFINE_enum("split", "test", ("dev", "test"), "split that is scored")
WAYS = flags.DEFINE_list(
    "ways", ["mse", "latent", "parallel_mse", "parallel", "flow"], "for variety: models to train"
)
PLAIN = flags.DEFINE_list("plain", [], "for variety: runs of mlsf.py:plain for its page")
HALVES = flags.DEFINE_list("halves", ["signers", "takes"], "for variety: halves to make")
STEPS = flags.DEFINE_integer("steps", 0, "steps of each model, 0 = its default", lower_bound=0)
DATA_DIR = flags.DEFINE_string("data_dir", None, "prepared data; by default the cache")

SHARED = Path("../shared/data")
"""Folder of the corpora beside the checkout, for studies that need them."""

name = sys.argv.pop(1) if len(sys.argv) > 1 and not sys.argv[1].startswith("-") else ""


def _referees() -> Iterator[str]:
    from launch.studies import referees

    yield str(referees.write(Path(DOCS.value) / "referees.md"))


def _variety() -> Iterator[str]:
    from launch.studies import variety, variety_page, variety_plain

    if PLAIN.value:
        variety_plain.record(map(Path, PLAIN.value), Path(DOCS.value, "variety", "plain.json"))
    if OUTPUT.value is None:
        yield variety_page.write(Path(DOCS.value))
        return
    takes = Path(TAKES.value or SHARED / "takes")
    yield from variety.make(
        variety.Options(
            output=Path(OUTPUT.value),
            seed=SEED.value,
            work=Path(WORK.value, "variety"),
            takes=takes if TAKES.value or takes.is_dir() else None,
            ways=WAYS.value,
            steps=STEPS.value,
            data_dir=DATA_DIR.value,
            split=SPLIT.value,
            halves=HALVES.value,
        )
    )


def _sentences() -> Iterator[str]:
    from launch.studies import sentences_page

    if OUTPUT.value is None:
        yield sentences_page.write(Path(DOCS.value))
        return
    from launch.studies import sentence_record

    takes, signs = TAKES.value or SHARED / "takes", SIGNS.value or SHARED / "signs"
    folders = {name: Path(signs if name == "tsl" else takes) for name in CORPORA.value}
    yield from sentence_record.study(
        folders, SEED.value, Path(OUTPUT.value), Path(WORK.value, "sentences"), SPLIT.value
    )


STUDIES = {"referees": _referees, "variety": _variety, "sentences": _sentences}
"""Name -> the function that runs the study and yields lines on its results."""


def main() -> None:
    """Runs the named study and prints its lines."""
    from signllm_jax.core.errors import ConfigError
    from signllm_jax.core.memory import keep_freed

    if name not in STUDIES:
        raise ConfigError(f"name a study, one of {', '.join(STUDIES)}, not {name!r}")
    keep_freed()  # as training does
    for line in STUDIES[name]():
        print(line, flush=True)


if __name__ == "__main__":
    cli.run(main)
