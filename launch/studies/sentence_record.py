"""The record of one seed of the sentences of real signs: the figures of each corpus.

    python launch/study.py sentences --seed=S --output=FILE --takes=DIR --signs=DIR [--work=DIR]
    python launch/study.py sentences --seed=S --output=FILE --takes=DIR --corpora=names

An existing record keeps the figures of other corpora.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from launch.studies import prompted_sentences, sentences
from launch.studies.records import write_json
from signllm_jax.core.errors import ConfigError, DataError
from signllm_jax.core.version import versions
from signllm_jax.train.setup import PACKAGES, hardware

STUDIES = {
    "order": (sentences.ordering, sentences.run_corpus),
    "tsl": (sentences.turkish, sentences.run_corpus),
    "names": (prompted_sentences.ordering_names, prompted_sentences.run),
}
"""Corpus -> the function that makes it from a folder of takes, and one that trains and scores."""


def study(
    folders: Mapping[str, Path], seed: int, output: Path, work: Path, split: str
) -> Iterator[str]:
    """Runs one seed and writes its record.

    Args:
        folders: Name of a corpus of STUDIES -> folder of its takes.
        seed: Seed of the readers and the models.
        output: File of the record, JSON.
        work: Folder for prepared data and runs.
        split: `test`, or `dev` while settings are chosen.

    Yields:
        A line on each corpus.

    Raises:
        ConfigError: There is no such corpus.
        DataError: The output is there and is no record of this seed.
    """
    if unknown := sorted(set(folders) - set(STUDIES)):
        raise ConfigError(f"unknown corpus {unknown[0]!r}: known are {', '.join(STUDIES)}")
    record = _begun(output, seed)
    made_by = {"versions": versions(*PACKAGES), **hardware()}
    for name, folder in folders.items():
        corpus, run = STUDIES[name]
        record[name] = run(corpus(folder), seed, work, split) | made_by
        yield f"{name}: {json.dumps(record[name])}"
    write_json(output, record)


def _begun(output: Path, seed: int) -> dict[str, Any]:
    """The record as far as it exists."""
    if not output.exists():
        return {"seed": seed}
    try:
        record = json.loads(output.read_text("utf-8"))
        same = record["seed"] == seed
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise DataError(f"{output}: no record of launch/study.py sentences") from error
    if not same:
        raise DataError(f"{output}: is of seed {record['seed']}, not {seed}")
    return record
