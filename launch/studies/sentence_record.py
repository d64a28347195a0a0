"""One seed's record of the sentences of real signs: each corpus by what is trained on it.

    python launch/study.py sentences --seed=S --output=FILE --takes=DIR --signs=DIR [--work=DIR]
    python launch/study.py sentences --seed=S --output=FILE --takes=DIR --corpora=names

What a record has of other corpora is kept.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from launch.studies import prompted_sentences, sentences
from signllm_jax.core.errors import ConfigError, DataError

STUDIES = {
    "order": (sentences.ordering, sentences.run_corpus),
    "tsl": (sentences.turkish, sentences.run_corpus),
    "names": (prompted_sentences.ordering_names, prompted_sentences.run),
}
"""Name of a corpus -> what makes it of the folder of its takes, and what trains and scores."""


def study(
    folders: Mapping[str, Path], seed: int, output: Path, work: Path, split: str
) -> Iterator[str]:
    """Runs one seed and writes its record.

    Args:
        folders: Name of a corpus of STUDIES -> folder of its takes.
        seed: Of the readers and the models.
        output: File of the record, JSON.
        work: Folder for prepared data and runs.
        split: `test`, or `dev` while settings are chosen.

    Yields:
        A line on each corpus.

    Raises:
        ConfigError: There is no such corpus.
        DataError: The output is there and is no record of this seed.
    """
    from signllm_jax.artifacts.group import write_file
    from signllm_jax.core.version import versions
    from signllm_jax.train.setup import PACKAGES, hardware

    if unknown := sorted(set(folders) - set(STUDIES)):
        raise ConfigError(f"unknown corpus {unknown[0]!r}: known are {', '.join(STUDIES)}")
    record = _begun(output, seed)
    made_by = {"versions": versions(*PACKAGES), **hardware()}
    for name, folder in folders.items():
        corpus, run = STUDIES[name]
        record[name] = run(corpus(folder), seed, work, split) | made_by
        yield f"{name}: {json.dumps(record[name])}"
    output.parent.mkdir(parents=True, exist_ok=True)
    write_file(output, f"{json.dumps(record, indent=1)}\n".encode())


def _begun(output: Path, seed: int) -> dict[str, Any]:
    """What a record has already."""
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
