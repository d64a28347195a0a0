"""Runs a study whose page stands in docs/.

    python launch/study.py referees
    python launch/study.py variety --seed=0 --output=docs/variety/seed-0.json --takes=DIR
    python launch/study.py variety [--plain=RUN,RUN]
    python launch/study.py sentences --seed=0 --output=docs/sentences/seed-0.json --takes=DIR
    python launch/study.py sentences

`referees` plants faults into real takes and writes docs/referees.md. `variety` trains models on
texts that many sign, and `sentences` models and readers on sentences of real signs (with
--corpora=names one that reads questions and spells names); each writes one seed's figures, or,
without --output, its page from the seeds that are there. launch/ablation.py has the study of
reinforcement learning.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from absl import flags

from signllm_jax.core import cli

SEED = flags.DEFINE_integer("seed", 0, "of what is trained but the readers", lower_bound=0)
OUTPUT = flags.DEFINE_string("output", None, "one seed's figures; without it the page is written")
DOCS = flags.DEFINE_string("docs", "docs", "folder of the pages")
WORK = flags.DEFINE_string("work", "runs/studies", "where runs and prepared takes are kept")
TAKES = flags.DEFINE_string(
    "takes", None, "takes of ASL signs: index.csv, .pose; by default those beside the checkout"
)
SIGNS = flags.DEFINE_string("signs", None, "of sentences: TSL signs: index.csv, .pose")
CORPORA = flags.DEFINE_list("corpora", ["order", "tsl"], "of sentences: order, tsl, names")
SPLIT = flags.DEFINE_enum("split", "test", ("dev", "test"), "what is scored")
WAYS = flags.DEFINE_list(
    "ways", ["mse", "latent", "parallel_mse", "parallel", "flow"], "of variety: models to train"
)
PLAIN = flags.DEFINE_list("plain", [], "of variety: runs of mlsf.py:plain for its page")
HALVES = flags.DEFINE_list("halves", ["signers", "takes"], "of variety: which are made")
STEPS = flags.DEFINE_integer("steps", 0, "of each model, 0 = its config's", lower_bound=0)
DATA_DIR = flags.DEFINE_string("data_dir", None, "prepared data; by default the usual place")

SHARED = Path("../shared/data")
"""Where a checkout has the corpora beside it, for studies that cannot do without."""

name = sys.argv.pop(1) if len(sys.argv) > 1 and not sys.argv[1].startswith("-") else ""


def _referees() -> Iterator[str]:
    from launch.studies import referees

    yield str(referees.write(Path(DOCS.value) / "referees.md"))


def _shared(name: str) -> Path | None:
    """A folder of the corpora beside the checkout, where they are there."""
    return SHARED / name if (SHARED / name).is_dir() else None


def _variety() -> Iterator[str]:
    from launch.studies import variety, variety_page, variety_plain

    if PLAIN.value:
        variety_plain.record(map(Path, PLAIN.value), Path(DOCS.value, "variety", "plain.json"))
    if OUTPUT.value is None:
        yield variety_page.write(Path(DOCS.value))
        return
    yield from variety.make(
        variety.Options(
            output=Path(OUTPUT.value),
            seed=SEED.value,
            work=Path(WORK.value, "variety"),
            takes=Path(TAKES.value) if TAKES.value else _shared("takes"),
            ways=WAYS.value,
            steps=STEPS.value,
            data_dir=DATA_DIR.value,
            split=SPLIT.value,
            halves=HALVES.value,
        )
    )


def _sentences() -> Iterator[str]:
    from launch.studies import sentence_record, sentences_page

    if OUTPUT.value is None:
        yield sentences_page.write(Path(DOCS.value))
        return
    takes, signs = TAKES.value or SHARED / "takes", SIGNS.value or SHARED / "signs"
    folders = {name: Path(signs if name == "tsl" else takes) for name in CORPORA.value}
    yield from sentence_record.study(
        folders, SEED.value, Path(OUTPUT.value), Path(WORK.value, "sentences"), SPLIT.value
    )


STUDIES = {"referees": _referees, "variety": _variety, "sentences": _sentences}
"""Name -> what runs the study and yields lines on what is done."""


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
