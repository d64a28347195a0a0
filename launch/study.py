"""Runs a study whose page stands in docs/.

    python launch/study.py sentences --seed=0 --output=docs/sentences/seed-0.json
    python launch/study.py sentences

The first trains a model and a reader on sentences of real signs and writes one seed's figures, the
second docs/sentences.md from the seeds that are there. launch/ablation.py has the study of
reinforcement learning.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from absl import flags

from signllm_jax.core import cli

SEED = flags.DEFINE_integer("seed", 0, "of what is trained", lower_bound=0)
OUTPUT = flags.DEFINE_string("output", None, "one seed's figures; without it the page is written")
DOCS = flags.DEFINE_string("docs", "docs", "folder of the pages")
TAKES = flags.DEFINE_string("takes", "../shared/data/takes", "takes of ASL signs: index.csv, .pose")
SIGNS = flags.DEFINE_string("signs", "../shared/data/signs", "TSL signs: index.csv, .pose")
WORK = flags.DEFINE_string("work", "runs/sentences", "where runs and prepared takes are kept")
CORPORA = flags.DEFINE_list("corpora", ["order", "tsl"], "of sentences: which are trained on")
SPLIT = flags.DEFINE_enum("split", "test", ("dev", "test"), "of sentences: what is scored")

name = sys.argv.pop(1) if len(sys.argv) > 1 and not sys.argv[1].startswith("-") else ""


def _sentences() -> Iterator[str]:
    from launch.studies import sentences, sentences_page

    if not OUTPUT.value:
        yield sentences_page.write(Path(DOCS.value))
        return
    folders = {"order": Path(TAKES.value), "tsl": Path(SIGNS.value)}
    yield from sentences.study(
        {corpus: folders.get(corpus, Path()) for corpus in CORPORA.value},
        SEED.value,
        Path(OUTPUT.value),
        Path(WORK.value),
        SPLIT.value,
    )


STUDIES = {"sentences": _sentences}
"""Name -> what runs the study and yields lines on what is done."""


def main():
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
