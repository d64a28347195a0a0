"""Reads which clips a corpus has and what they say: line-aligned text files, or a csv.

Line-aligned: `<split>.files`, `<split>.text` and, where there is one, `<split>.gloss`, as
Prompt2Sign and Progressive Transformers have them. A csv (or a `|`- or tab-separated file) has a
header; of its columns `id` and `text` are needed, `gloss`, `signer`, `split` and `language` are
used where they are.
"""

import csv
import dataclasses
import os
import unicodedata
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from signllm_jax.core.errors import DataError
from signllm_jax.core.storage import read_regular

SPLITS = ("train", "dev", "test")
_SPLIT_NAMES = {name: name for name in SPLITS} | dict.fromkeys(
    ("val", "valid", "validation"), "dev"
)
_COLUMNS = {
    "id": ("id", "path", "file", "files", "name", "video", "clip"),
    "text": ("text", "translation", "sentence"),
    "gloss": ("gloss", "annotation", "orth", "glosses"),
    "signer": ("signer", "speaker"),
    "split": ("split",),
    "language": ("language",),
}
_HELD_OUT = 0.05  # share of dev and of test, where a corpus has no splits of its own


@dataclasses.dataclass(frozen=True)
class Entry:
    """One clip of a manifest.

    Attributes:
        id: its name, without the suffix of a file.
        text: what it says.
        gloss: its glosses, or nothing.
        signer: who signs, or nothing.
        split: `train`, `dev`, `test`, or nothing where the corpus has none.
        language: code, or nothing where the manifest does not say.
        stem: name of its line-aligned files without the suffix; nothing from a csv.
        line: its line in them, from 0.
    """

    id: str
    text: str
    gloss: str = ""
    signer: str = ""
    split: str = ""
    language: str = ""
    stem: str = ""
    line: int = -1


def read_manifest(path: str | os.PathLike) -> list[Entry]:
    """Reads a csv file, or a folder with `<split>.csv` or line-aligned `<split>.files`.

    Raises:
        DataError: nothing to read, a missing column, a row or a number of lines that does not fit,
            an id twice, no UTF-8; it names the file and the line.
    """
    path = Path(path)
    if path.is_dir():
        entries = _read_folder(path)
    elif path.is_file():
        entries = _read_csv(path)
    else:
        raise DataError(f"{path}: there is no such manifest")
    if not entries:
        raise DataError(f"{path}: the manifest lists no clip")
    seen: dict[tuple[str, str], int] = {}
    for number, entry in enumerate(entries):
        if (entry.language, entry.id) in seen:
            raise DataError(f"{path}: {entry.id} is listed twice")
        seen[entry.language, entry.id] = number
    return entries


def assign_splits(entries: Sequence[Entry], all_to: str = "") -> tuple[list[Entry], str]:
    """Gives every clip a split: the corpus's own, else by a hash of the signer, else of the id.

    Args:
        entries: of one corpus.
        all_to: the split of all clips, whatever the corpus says, instead.

    Returns:
        The entries with splits, and in words how they came about.
    """
    if all_to and all_to not in SPLITS:
        raise DataError(f"unknown split {all_to!r}: known are {', '.join(SPLITS)}")
    if all_to:
        return [dataclasses.replace(entry, split=all_to) for entry in entries], f"all to {all_to}"
    if all(entry.split for entry in entries):
        return list(entries), "the corpus's own"
    free = [entry for entry in entries if not entry.split]
    own = "the corpus's own where it has one, else " if len(free) < len(entries) else ""
    signers = all(entry.signer for entry in free)
    chosen = {entry.id: _hashed_split(entry.signer if signers else entry.id) for entry in free}
    how = f"{own}5% dev and 5% test by a hash of the {'signer' if signers else 'id'}"
    if "train" not in {*chosen.values(), *(entry.split for entry in entries)}:
        chosen, how = dict.fromkeys(chosen, "train"), f"{own}all to train: {how} left none"
    return [e if e.split else dataclasses.replace(e, split=chosen[e.id]) for e in entries], how


def _hashed_split(key: str) -> str:
    place = zlib.crc32(key.encode()) / 2**32
    return "dev" if place < _HELD_OUT else "test" if place < 2 * _HELD_OUT else "train"


def clip_id(name: str) -> str:
    """The id of a clip from a file's name or path: without suffix, slashes forward."""
    name = name.strip().replace("\\", "/").strip("/")
    for suffix in (".pose", ".npz", ".mp4", ".json"):
        name = name.removesuffix(suffix)
    return name


def _lines(path: Path) -> list[str]:
    try:
        text = read_regular(path).decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: byte {error.start} is no UTF-8") from None
    lines = unicodedata.normalize("NFC", text).replace("\r\n", "\n").split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def listed_lines(folder: Path) -> dict[str, tuple[str, int]]:
    """Where the `.files` of a folder list each clip: id -> (stem, line)."""
    return {
        clip_id(name): (files.stem, line)
        for files in sorted(folder.glob("*.files"))
        for line, name in enumerate(_lines(files))
    }


def _split_of(name: str) -> str:
    return _SPLIT_NAMES.get(name.lower(), "")


def _read_folder(folder: Path) -> list[Entry]:
    entries = []
    named = sorted(folder.glob("*.files"))
    for files in named:
        columns = {"files": _lines(files)}
        for kind in ("text", "gloss"):
            beside = files.with_suffix(f".{kind}")
            if beside.exists():
                columns[kind] = _lines(beside)
            elif kind == "text":
                raise DataError(f"{files}: there is no {beside.name} beside it")
        count = len(columns["files"])
        for kind, lines in columns.items():
            if len(lines) != count:
                raise DataError(
                    f"{files.with_suffix('.' + kind)}: {len(lines)} lines, but {files.name} has "
                    f"{count}"
                )
        for line, name in enumerate(columns["files"]):
            if not clip_id(name):
                raise DataError(f"{files}: line {line + 1} names no clip")
            gloss = columns["gloss"][line] if "gloss" in columns else ""
            text, gloss = (" ".join(part.split()) for part in (columns["text"][line], gloss))
            entries.append(
                Entry(
                    clip_id(name),
                    text,
                    gloss,
                    split=_split_of(files.stem),
                    stem=files.stem,
                    line=line,
                )
            )
    if not named:
        for table in sorted(p for p in folder.glob("*.csv") if _split_of(p.stem)):
            entries += _read_csv(table)
    if not entries:
        raise DataError(f"{folder}: no <split>.files with <split>.text and no <split>.csv in it")
    return entries


def _read_csv(path: Path) -> list[Entry]:
    lines = _lines(path)
    if not lines:
        raise DataError(f"{path}: the file is empty")
    delimiter = next((mark for mark in "|\t,;" if mark in lines[0]), ",")
    # in a |-separated file quotes are text
    quoting = csv.QUOTE_NONE if delimiter in "|\t" else csv.QUOTE_MINIMAL
    rows = csv.reader(
        (f"{line}\n" for line in lines), delimiter=delimiter, quoting=quoting, strict=True
    )
    try:
        header = [name.strip().lower() for name in next(rows)]
        place = _columns(header, path)
        return list(_rows(rows, len(header), place, path))
    except csv.Error as error:
        raise DataError(f"{path}: line {rows.line_num}: {error}") from None


def _columns(header: list[str], path: Path) -> dict[str, int]:
    place = {}
    for column, names in _COLUMNS.items():
        found = [header.index(name) for name in names if name in header]
        if found:
            place[column] = found[0]
        elif column in ("id", "text"):
            raise DataError(
                f"{path}: no column {column!r} (or {', '.join(names[1:])}) in its header: "
                f"{', '.join(header)}"
            )
    return place


def _rows(rows: Iterable[list[str]], width: int, place: dict[str, int], path: Path):
    file_split = _split_of(path.stem)
    for row in rows:
        if not row:
            continue
        where = f"{path}: line {rows.line_num}"
        if len(row) != width:
            raise DataError(f"{where} has {len(row)} fields, not {width}")
        values = {column: " ".join(row[at].split()) for column, at in place.items()}
        if not clip_id(values["id"]):
            raise DataError(f"{where} names no clip")
        split = values.pop("split", "")
        if split and not _split_of(split):
            raise DataError(f"{where}: unknown split {split!r}")
        values |= {"id": clip_id(values["id"]), "split": _split_of(split) or file_split}
        yield Entry(**values)
