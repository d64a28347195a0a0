"""Reads tables of any corpus: encodings, delimiters, JSON lists, and rows that do not fit.

A row that does not fit is given as the reason, with its line, and reading goes on with the next
line.
"""

import contextlib
import csv
import dataclasses
import json
import os
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from signllm_jax.core.errors import DataError
from signllm_jax.core.storage import read_regular

SUFFIXES = (".csv", ".tsv", ".txt", ".json", ".jsonl")
MAX_BYTES = 1 << 30
_MARKS = "|\t,;"
_SEPARATOR = re.compile(r"sep=[|\t,;]", re.IGNORECASE)  # what spreadsheets write and read
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_QUOTED_LINES = 20  # a quoted field may go on over so many lines
_BOMS = {
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
_USUAL = {"ko": "cp949", "ja": "cp932", "zh": "gb18030", "tr": "cp1254"}
"""Spoken language -> the encoding that spreadsheets of that country save in; else cp1252."""


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes:
        position: The file and the line, for messages.
        values: Column name in small letters -> value.
        fault: Why the row cannot be used; empty for a good row.
    """

    position: str
    values: dict[str, str]
    fault: str = ""


@dataclasses.dataclass(frozen=True)
class Table:
    """A table in memory.

    Attributes:
        path: File of the table.
        header: Column names in small letters; empty for a table without a header.
        rows: Its rows in order.
    """

    path: Path
    header: tuple[str, ...]
    rows: list[Row]


def read_text(path: str | os.PathLike, encoding: str = "", spoken: str = "") -> str:
    """Reads a text file as NFC with plain line ends.

    Args:
        path: The file.
        encoding: Its encoding; empty for UTF-8, or for what its byte order mark says.
        spoken: Language of its texts, for a better guess in the error message.

    Raises:
        DataError: The file cannot be read or has another encoding; the message names a likely one.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{path}: larger than {MAX_BYTES} bytes")
        content = read_regular(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise DataError(f"{path}: this is a workbook or an archive: save its table as CSV UTF-8")
    marked = next((name for mark, name in _BOMS.items() if content.startswith(mark)), "")
    try:
        text = content.decode(encoding or marked or "utf-8")
    except LookupError:
        raise DataError(f"{path}: there is no encoding {encoding!r}") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: {_undecodable(content, error, encoding, spoken)}") from None
    if "\0" in text:
        raise DataError(f"{path}: no text, or text in UTF-16: give --encoding=utf-16-le")
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return unicodedata.normalize("NFC", text)


def _undecodable(content: bytes, error: UnicodeDecodeError, encoding: str, spoken: str) -> str:
    likely = ""
    for likely in (_USUAL.get(spoken.partition("-")[0], "cp1252"), "cp1252", "latin-1"):
        with contextlib.suppress(UnicodeDecodeError):
            content.decode(likely)
            break  # at the latest with latin-1, which has all bytes
    return (
        f"byte {error.start} is no {encoding or 'UTF-8'}: it may be {likely}; "
        f"give --encoding={likely}, or save it as UTF-8"
    )


def read_lines(path: Path, encoding: str = "", spoken: str = "") -> list[str]:
    """The lines of a text file; raises DataError as `read_text`."""
    lines = read_text(path, encoding, spoken).split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def read_table(path: Path, encoding: str = "", spoken: str = "", header: bool = True) -> Table:
    """Reads a delimited table, or the objects of a JSON list or of JSON lines.

    Args:
        path: The file; `.json` and `.jsonl` are JSON, all else is delimited by `|`, tab, `,` or
            `;`, whichever its first line has.
        encoding: See `read_text`.
        spoken: See `read_text`.
        header: Whether the first line names the columns; else they are named "0", "1" ...

    Raises:
        DataError: The file cannot be read at all; a row that does not fit is a `Row.fault`.
    """
    if path.suffix.lower() in (".json", ".jsonl"):
        return rows_of_objects(path, read_json(path, encoding, spoken))
    lines = read_lines(path, encoding, spoken)
    if not lines:
        raise DataError(f"{path}: the file is empty")
    begin = int(_SEPARATOR.fullmatch(lines[0]) is not None and len(lines) > 1)
    delimiter = next((mark for mark in _MARKS if mark in lines[begin]), ",")
    _, fields, fault, body = next(_records(lines, delimiter, start=begin))
    if fault:
        raise DataError(f"{path}: line 1: {fault}")
    width = len(fields)
    names = tuple(name.strip().lower() for name in fields)
    while names and not names[-1]:  # empty columns of spreadsheets
        names = names[:-1]
    if not header:
        names, body = tuple(map(str, range(width))), 0
    records = _records(lines, delimiter, width, body)
    return Table(path, names, list(_rows(path, names, records, width)))


def _records(
    lines: list[str], delimiter: str, width: int = 0, start: int = 0
) -> Iterator[tuple[int, list[str], str, int]]:
    """Yields (line number, fields, fault, next line), one record at a time.

    A quoted field may hold line breaks. A quote that is never closed spoils its own line only,
    which is then split as if there were no quotes.
    """
    quotes = csv.QUOTE_NONE if delimiter in "|\t" else csv.QUOTE_MINIMAL  # there quotes are text
    number = start
    while number < len(lines):
        fields, fault, taken = None, "", 1
        for taken in range(1, min(_QUOTED_LINES, len(lines) - number) + 1):
            part = [f"{line}\n" for line in lines[number : number + taken]]
            try:
                fields = next(csv.reader(part, delimiter=delimiter, quoting=quotes, strict=True))
                break
            except csv.Error as error:
                fault = "a quote that is not closed"
                if "unexpected end" not in str(error):
                    # of a quote that opened in an earlier line, the next one is not the end
                    fault = "a quote in the wrong place" if taken == 1 else fault
                    break
        if fields is None or (taken > 1 and width and len(fields) != width):
            fields, taken = lines[number].split(delimiter), 1
        else:
            fault = ""
        if quotes == csv.QUOTE_NONE:  # but for a field that is quoted as a whole
            fields = [f[1:-1].replace('""', '"') if _QUOTED.fullmatch(f) else f for f in fields]
        yield number + 1, fields, fault, number + taken
        number += taken


def _rows(path: Path, names: tuple[str, ...], records, width: int) -> Iterator[Row]:
    """Makes rows of records; a row with too few or too many fields has a fault.

    Empty lines are passed over.

    Args:
        path: File of the table, for messages.
        names: Column names, without the empty ones at the end of the header.
        records: What `_records` yields.
        width: Number of fields of the first line; those after the last name have to be empty.
    """
    for line, fields, fault, _ in records:
        if not any(field.strip() for field in fields):
            continue
        values = {name: field.strip() for name, field in zip(names, fields)}
        if len(fields) < len(names):
            fault = fault or "a row with too few fields"
        elif len(fields) > width or any(field.strip() for field in fields[len(names) :]):
            fault = fault or "a row with too many fields"
        yield Row(f"{path.name} line {line}", values, fault)


def read_json(path: Path, encoding: str = "", spoken: str = "") -> object:
    """The content of a JSON file, or a list of the objects of JSON lines.

    Raises:
        DataError: It is no JSON.
    """
    text = read_text(path, encoding, spoken)
    try:
        return json.loads(text)
    except RecursionError:
        raise DataError(f"{path}: JSON that is nested too deep") from None
    except ValueError as error:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) > 1 and all(line.lstrip().startswith("{") for line in lines[:2]):
            return [_line_of_json(line) for line in lines]
        raise DataError(f"{path}: no JSON: {error}") from None


def _line_of_json(line: str) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def rows_of_objects(path: Path, content: object) -> Table:
    """A JSON list of objects, or objects by id, as a table; raises DataError for anything else."""
    if isinstance(content, dict) and content and all(isinstance(v, dict) for v in content.values()):
        content = [{"id": name} | item for name, item in content.items()]
    if not isinstance(content, list) or not any(isinstance(item, dict) for item in content):
        raise DataError(f"{path}: no list of objects: {str(content)[:60]!r}")
    names: dict[str, None] = {}
    rows = []
    for number, item in enumerate(content, 1):
        position = f"{path.name} item {number}"
        if not isinstance(item, dict):
            rows.append(Row(position, {}, "an item that is no JSON object"))
            continue
        values = {key: _as_text(value) for key, value in _flat(item)}
        names.update(dict.fromkeys(values))
        rows.append(Row(position, values))
    return Table(path, tuple(names), rows)


def _flat(item: dict) -> Iterator[tuple[str, object]]:
    """Yields (column name in small letters, value) of a JSON object.

    An object within it gives a column for each of its keys, `{"segment": {"start": 1}}` the column
    `segment_start`. Objects within that one stay as they are.
    """
    for key, value in item.items():
        if isinstance(value, dict):
            yield from (
                (f"{key}_{inner}".lower(), inner_value) for inner, inner_value in value.items()
            )
        else:
            yield str(key).lower(), value


def _as_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return " ".join(map(_as_text, value))
    return str(value).strip()
