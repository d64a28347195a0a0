"""Text with gloss: PHOENIX-2014T, GKSL and SignSuisse, read from the csv files of their makers.

| name | languages | line of glosses | splits |
|---|---|---|---|
| `phoenix14t` | gsl | the `annotation` column, unchanged | official |
| `gksl` | ksl | the gloss sentence, cleaned | a hash of the text: a tenth dev, a tenth test |
| `signsuisse` | dsgs, lsf_ch, lis_ch | the example's words | official test; a hash for dev |

SignSuisse has no gloss of its examples, so their words stand in for it. `gloss_corpora` names all
three together. The files lie in one folder for each name. Where the split is ours, the texts of one
split never occur in another.
"""

import csv
import dataclasses
import io
import os
import zlib
from collections.abc import Iterator
from pathlib import Path

from signllm_jax.core.errors import DataError
from signllm_jax.text.gloss import clean_gloss, words

CORPORA = {
    "phoenix14t": ("gsl",),
    "gksl": ("ksl",),
    "signsuisse": ("dsgs", "lsf_ch", "lis_ch"),
}
ALL = "gloss_corpora"
SPLITS = ("train", "dev", "test")


@dataclasses.dataclass(frozen=True)
class Pair:
    """A sentence and its glosses.

    Attributes:
        id: id that is unique in a language.
        text: the sentence in the spoken language.
        glosses: the glosses of its line, in order.
    """

    id: str
    text: str
    glosses: tuple[str, ...]


def languages(dataset: str) -> tuple[str, ...]:
    """Codes of the languages of a corpus or of all; () when the name is not one of them."""
    if dataset == ALL:
        return tuple(code for codes in CORPORA.values() for code in codes)
    return CORPORA.get(dataset, ())


def read_pairs(folder: str | os.PathLike, language: str, split: str) -> list[Pair]:
    """The pairs of a language's split in the order of the file.

    Args:
        folder: the folder with `phoenix14t/`, `gksl/` and `signsuisse/`.
        language: gsl, ksl, dsgs, lsf_ch or lis_ch.
        split: train, dev or test.

    Raises:
        DataError: unknown language or split, or a file is missing or damaged.
    """
    if split not in SPLITS:
        raise DataError(f"unknown split {split!r}: known are {', '.join(SPLITS)}")
    for corpus, codes in CORPORA.items():
        if language in codes:
            return list(_READERS[corpus](Path(folder) / corpus, language, split))
    raise DataError(f"no text with gloss for {language!r}: known are {', '.join(languages(ALL))}")


def _rows(path: Path, columns: tuple[str, ...], **dialect) -> Iterator[dict[str, str]]:
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: cannot be read: {reason}") from None
    reader = csv.DictReader(io.StringIO(text), strict=True, **dialect)
    missing = set(columns) - set(reader.fieldnames or ())
    if missing:
        raise DataError(f"{path}: has no column {min(missing)!r}")
    try:
        for row in reader:
            if any(row[column] is None for column in columns):
                raise DataError(f"{path}: line {reader.line_num} has too few columns")
            yield row
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num}: {error}") from None


def _phoenix(folder: Path, language: str, split: str) -> Iterator[Pair]:
    """The pairs of PHOENIX-2014T, which has one language, from `<folder>/<split>.csv`."""
    columns = ("id", "annotation", "translation")
    path = folder / f"{split}.csv"
    for row in _rows(path, columns, delimiter="|", quoting=csv.QUOTE_NONE):
        yield Pair(row["id"], row["translation"], tuple(row["annotation"].split()))


def _gksl(folder: Path, language: str, split: str) -> Iterator[Pair]:
    """The pairs of GKSL, which has one language and no splits: a hash of the text decides."""
    gloss = "Gloss level Korean Sign Language (GKSL) sentence"
    text = "Word level Korean Language (WKL) sentence"
    for number, row in enumerate(_rows(folder / "GKSL3k_original.csv", (gloss, text)), 1):
        glosses = clean_gloss(row[gloss], "gksl")
        if row[text].strip() and glosses and _hashed(row[text]) == split:
            yield Pair(f"ksl_gksl_{number}", row[text], tuple(glosses))


def _signsuisse(folder: Path, language: str, split: str) -> Iterator[Pair]:
    """SignSuisse's example sentences of a language; their words stand in for the missing gloss."""
    name = "metadata_test.csv" if split == "test" else "metadata_train_val.csv"
    for row in _rows(folder / name, ("id", "signedLanguage", "example")):
        text = row["example"]
        if row["signedLanguage"].replace("-", "_") != language:
            continue
        line = tuple(words(text, language))
        if line and (split == "test" or (_hashed(text) == "dev") == (split == "dev")):
            yield Pair(f"{language}_signsuisse_{row['id']}", text, line)


_READERS = {"phoenix14t": _phoenix, "gksl": _gksl, "signsuisse": _signsuisse}


def _hashed(text: str) -> str:
    share = zlib.crc32("".join(text.split()).encode()) % 10
    return {0: "dev", 1: "test"}.get(share, "train")
