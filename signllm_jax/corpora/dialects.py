"""Tables of labels as the corpora publish them: which column means what.

A table of any other corpus is read by the usual names of columns (`columns.USUAL`), or by those
that the user names. Files that are no tables with a header are read by `label_files` and
`subtitles`.
"""

import dataclasses
from collections.abc import Mapping

from signllm_jax.corpora.columns import USUAL, Columns, columns_of
from signllm_jax.corpora.entries import (
    Entry,
    Odd,
    Rows,
    clip_id,
    end_of,
    make_entry,
    split_in,
    split_of,
)
from signllm_jax.corpora.tables import Row, Table

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


def recognize(table: Table) -> str:
    """The dialect whose columns a table has; `table` where it is not of a known corpus."""
    for name, dialect in DIALECTS.items():
        if any(signature.issubset(table.header) for signature in dialect.signatures):
            return name
    return "table"


def read_rows(table: Table, dialect: str, named: Mapping[str, str], any_split: bool) -> Rows:
    """The entries of a table with a header.

    Args:
        table: The table.
        dialect: Name of a dialect with columns.
        named: Field -> the column that the user named.
        any_split: Whether splits of unknown names are let through, since all clips get another.
    """
    columns = columns_of(table, DIALECTS[dialect].columns or USUAL, named)
    split = (split_of if dialect in ("table", "dgs", "gksl") else split_in)(table.path.stem)
    unit = "frames" if {"start_frame", "end_frame"} & set(columns) else "seconds"
    for row in table.rows:
        values, scale = _fields(row, columns)
        if row.fault:
            yield Odd(clip_id(values.get("id", "")) or row.position, row.fault, row.position)
            continue
        if any_split and not split_of(values.get("split", "")):
            values["split"] = ""
        entry = make_entry(row.position, values, split, scale=scale, unit=unit)
        if dialect == "signsuisse" and isinstance(entry, Entry):
            yield from _signsuisse(row, entry)
        else:
            yield entry


def _fields(row: Row, columns: Mapping[str, str]) -> tuple[dict[str, str], float]:
    """The fields of a row, and the factor from the unit of its times to seconds or frames."""
    values, factor = {}, 1.0
    for field, column in columns.items():
        name, scale = _UNITS.get(field, (field, factor))
        if name not in values:
            values[name] = "|".join(row.values.get(part, "") for part in column.split("|"))
            factor = scale
    if "duration" in values:
        values["end"] = end_of(values["start"], values["duration"])
    return values, factor


def _signsuisse(row: Row, sign: Entry) -> Rows:
    """A sign, and the sentence that is its example where that was recorded too."""
    yield dataclasses.replace(sign, aliases=(f"signsuisse_{sign.id}_isolated",))
    if sentence := " ".join(row.values.get("example", "").split()):
        names = (f"signsuisse_{sign.id}_example", f"{sign.id}-example")
        sign = dataclasses.replace(sign, id=f"{sign.id}_example", text=sentence, gloss="")
        yield dataclasses.replace(sign, aliases=names, optional=True)
