"""Tables of labels as the corpora publish them: which column means what.

A table of any other corpus is read by the usual names of columns (`USUAL`), or by those that the
user names. Files that are no tables with a header are read by `label_files` and `subtitles`.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping

from signllm_jax.core.errors import DataError
from signllm_jax.corpora.entries import (
    Entry,
    Odd,
    clip_id,
    end_of,
    make_entry,
    split_in,
    split_of,
)
from signllm_jax.corpora.tables import Row, Table

Columns = Mapping[str, tuple[str, ...]]
Found = Iterator[Entry | Odd]

USUAL: Columns = {
    "id": (
        *("id", "path", "file", "files", "filename", "file_name", "name", "clip", "clip_id"),
        *("sentence_name", "vid", "sample_id", "video", "video_name", "video_id", "video_file"),
        *("파일명",),
    ),
    "text": (
        *("text", "translation", "sentence", "raw-text", "raw_text", "transcript"),
        *("transcription", "caption", "subtitle", "words", "word", "label", "meaning", "한국어"),
    ),
    "gloss": ("gloss", "annotation", "orth", "glosses"),
    "signer": ("signer", "speaker", "signer_id", "signer-id", "participant", "언어 제공자 id"),
    "split": ("split", "subset", "partition"),
    "language": ("signed_language", "sign_language", "signedlanguage", "language"),
    "file": ("video", "video_name", "video_file", "yid", "video_id", "recording"),
    "start": (
        # where a table has frames and seconds, `start` alone is mostly in frames
        *("start_time", "start_sec", "start_s", "start_seconds", "start_realigned"),
        *("start", "begin_time", "begin", "onset"),
    ),
    "end": (
        *("end_time", "end_sec", "end_s", "end_seconds", "end_realigned"),
        *("end", "stop_time", "stop", "offset"),
    ),
    "duration": ("duration", "duration_sec", "duration_s", "duration_seconds"),
    "start_ms": ("start_ms", "begin_ms", "start_time_ms"),
    "end_ms": ("end_ms", "stop_ms", "end_time_ms"),
    "start_frame": ("start_frame", "frame_start", "begin_frame"),
    "end_frame": ("end_frame", "frame_end", "stop_frame"),
}
"""Field -> names of its column in tables of any corpus, the first that is there counts."""
_TIMES = re.compile(r"(^|[_ ])(start|begin|onset|end|stop|offset)($|[_ (.-])")
_NO_TIMES = ("date", "age", "year", "id", "text", "word")
_SPANS = (
    ("from", "to"),
    ("in", "out"),
    ("on", "off"),
    ("t0", "t1"),
    ("t1", "t2"),
    ("tmin", "tmax"),
)
"""Pairs of names that are times where both are there."""
_UNITS = {"start": ("start", 1.0), "start_ms": ("start", 0.001), "start_frame": ("start", 1.0)}
_UNITS |= {name.replace("start", "end"): ("end", scale) for name, (_, scale) in _UNITS.items()}


@dataclasses.dataclass(frozen=True)
class Dialect:
    """How a corpus writes its labels.

    Attributes:
        title: Name of the corpus.
        columns: Field -> names of its column; empty where it is no table with a header.
        signatures: Sets of columns that together are in no other corpus's table.
        gloss: Rules of `signllm_jax.text.gloss` for its glosses.
    """

    title: str
    columns: Columns = dataclasses.field(default_factory=dict)
    signatures: tuple[frozenset[str], ...] = ()
    gloss: str = "plain"


DIALECTS: dict[str, Dialect] = {
    "table": Dialect("a table with a header", USUAL),
    "lines": Dialect("line-aligned .files and .text"),
    "how2sign": Dialect(
        "How2Sign",
        {
            "id": ("sentence_name",),
            "text": ("sentence",),
            "file": ("video_name", "video_id"),
            "start": ("start_realigned", "start"),
            "end": ("end_realigned", "end"),
        },
        (frozenset({"video_name", "sentence_name", "sentence"}),),
    ),
    "phoenix14t": Dialect(
        "RWTH-PHOENIX-Weather 2014T",
        {
            "id": ("name", "id"),
            "text": ("translation",),
            "gloss": ("orth", "annotation"),
            "signer": ("speaker", "signer"),
        },
        (
            frozenset({"translation", "orth", "name"}),
            frozenset({"id", "signer", "annotation", "translation"}),
        ),
        gloss="phoenix",
    ),
    "signsuisse": Dialect(
        "SignSuisse",
        {"id": ("id",), "text": ("name",), "gloss": ("name",), "language": ("signedlanguage",)},
        (frozenset({"id", "name", "signedlanguage"}),),
        gloss="signsuisse",
    ),
    "lexicon": Dialect(
        "a lexicon of spoken-to-signed",
        {
            "id": ("path",),
            "text": ("words",),
            "gloss": ("glosses",),
            "language": ("signed_language",),
            "start_ms": ("start",),
            "end_ms": ("end",),
        },
        (frozenset({"path", "signed_language", "words", "glosses"}),),
    ),
    "keti": Dialect(
        "KETI Korean Sign Language",
        {
            "id": ("파일명",),
            "text": ("한국어",),
            "gloss": ("한국어",),
            "signer": ("언어 제공자 id",),
        },
        (frozenset({"파일명", "한국어"}),),
    ),
    "openasl": Dialect(
        "OpenASL",
        {
            "id": ("vid",),
            "text": ("raw-text",),
            "file": ("yid",),
            "start": ("start",),
            "end": ("end",),
            "split": ("split",),
            "signer": ("signer-id",),
        },
        (frozenset({"vid", "yid", "raw-text"}),),
    ),
    "signverse": Dialect(
        "SignVerse-2M",
        {"id": ("video_id",), "language": ("sign_language",), "split": ("split",)},
        (frozenset({"video_id", "sign_language"}),),
    ),
    "wlasl": Dialect("WLASL"),
    "msasl": Dialect("MS-ASL"),
    "autsl": Dialect("AUTSL"),
    "aihub": Dialect("AI-Hub Korean Sign Language"),
    "dgs": Dialect("Public DGS Corpus", gloss="dgs"),
    "gksl": Dialect("GKSL", gloss="gksl"),
    "subtitles": Dialect("subtitles .srt, .vtt or ELAN .eaf"),
}
"""Name of a dialect -> how it is read."""


def columns_of(table: Table, columns: Columns, named: Mapping[str, str]) -> dict[str, str]:
    """Field -> the column of a table that holds it.

    Args:
        table: The table.
        columns: Names of columns of its dialect.
        named: Field -> the column that the user named.

    Raises:
        DataError: A column that was named, or one for ids or texts, is not there, or a column that
            is used stands there twice; all of them in one message.
    """
    faults, found = [], {}
    for field, column in named.items():
        if column and column.strip().lower() not in table.header:
            faults.append(f"no column {column!r}, which --{field}_column names")
        elif column:
            found[field] = column.strip().lower()
    for field, names in columns.items():
        there = [name for name in names if name in table.header]
        if field == "file":
            there = [name for name in there if name != found.get("id")]
        if field not in found and there:
            found[field] = "|".join(there) if field == "file" else there[0]
    lacking = [field for field in ("id", "text") if field in columns and field not in found]
    lacking = [field for field in lacking if not named.get(field)]
    for field in lacking:
        faults.append(f"no column {field!r} (or {', '.join(columns[field][1:6]) or 'none other'})")
    if columns is USUAL:  # a segment that is told must not be taken for the whole file
        known = {name for names in columns.values() for name in names}
        rest = [name for name in table.header if name not in known and _TIMES.search(name)]
        rest = [name for name in rest if not any(word in name for word in _NO_TIMES)]
        rest += next((pair for pair in _SPANS if {*pair} <= {*table.header}), ())
        faults += [f"column {name!r} looks like a time and is not known" for name in rest]
        faults += _one_unit(found)
    twice = {name for name in found.values() if table.header.count(name) > 1}
    faults += [f"column {name!r} stands there twice" for name in sorted(twice)]
    if faults:
        hint = " ".join(f"--{field}_column=NAME" for field in lacking)
        raise DataError(
            f"{table.path}: {'; '.join(faults)}; its header is: {', '.join(table.header)}"
            + (f"; the first line must name the columns: say which by {hint}" if hint else "")
        )
    return found


def _one_unit(found: dict[str, str]) -> list[str]:
    """Keeps the times of one unit, the first with begin and end; or says that there is none.

    A duration in seconds stands for an end in seconds, and says nothing beside one.
    """
    if "start" not in found or "end" in found:
        found.pop("duration", None)
    if "duration" in found:
        return []
    units = [unit for unit in ("", "_ms", "_frame") if {f"start{unit}", f"end{unit}"} & {*found}]
    whole = [unit for unit in units if {f"start{unit}", f"end{unit}"} <= {*found}]
    if len(units) > 1 and not whole:
        return ["its segments begin and end in several units"]
    for unit in units:
        if len(units) > 1 and unit != whole[0]:
            found.pop(f"start{unit}", None)
            found.pop(f"end{unit}", None)
    return []


def recognise(table: Table) -> str:
    """The dialect whose columns a table has; `table` where it is none of a known corpus."""
    header = set(table.header)
    for name, dialect in DIALECTS.items():
        if any(signature <= header for signature in dialect.signatures):
            return name
    return "table"


def read_rows(table: Table, dialect: str, named: Mapping[str, str], any_split: bool) -> Found:
    """The entries of a table with a header.

    Args:
        table: The table.
        dialect: Name of a dialect with columns.
        named: Field -> the column that the user named.
        any_split: Whether splits of unknown names are let through, for all get another.
    """
    columns = columns_of(table, DIALECTS[dialect].columns or USUAL, named)
    own = dialect not in ("table", "dgs", "gksl")
    split = (split_in if own else split_of)(table.path.stem)
    unit = "frames" if {"start_frame", "end_frame"} & set(columns) else "seconds"
    for row in table.rows:
        values, scale = _fields(row, columns)
        if row.fault:
            yield Odd(clip_id(values.get("id", "")) or row.place, row.fault, row.place)
            continue
        if any_split and not split_of(values.get("split", "")):
            values["split"] = ""
        made = make_entry(row.place, values, split, scale=scale, unit=unit)
        if dialect == "signsuisse" and isinstance(made, Entry):
            yield from _signsuisse(row, made)
        else:
            yield made


def _fields(row: Row, columns: Mapping[str, str]) -> tuple[dict[str, str], float]:
    values, factor = {}, 1.0
    for field, column in columns.items():
        value = "|".join(row.values.get(name, "") for name in column.split("|"))
        name, scale = _UNITS.get(field, (field, 1.0))
        if name not in values:
            values[name] = value
            factor = scale if field in _UNITS else factor
    if "duration" in values:
        values["end"] = end_of(values["start"], values["duration"])
    return values, factor


def _signsuisse(row: Row, made: Entry) -> Found:
    """A sign, and the sentence that is its example where that was recorded too."""
    form = "signsuisse_{}_{}".format
    yield dataclasses.replace(made, aliases=(form(made.id, "isolated"),))
    sentence = " ".join(row.values.get("example", "").split())
    if sentence:
        names = (form(made.id, "example"), f"{made.id}-example")
        name = f"{made.id}_example"
        yield dataclasses.replace(
            made, id=name, text=sentence, gloss="", aliases=names, optional=True
        )
