"""Entries of a manifest: the clips of a corpus, where each lies, and rows that name none."""

import dataclasses
import math
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

SPLITS = ("train", "dev", "test")
_LONGEST = 200  # bytes of an id, with room for what a file's name has beside it
SPLIT_NAMES = {name: name for name in SPLITS} | {
    "training": "train",
    **dict.fromkeys(("val", "valid", "validation", "devel", "development"), "dev"),
    **dict.fromkeys(("testing", "tst"), "test"),
}
_CLIP_SUFFIX = re.compile(
    r"(\.(pose|npz|npy|skels|json|zip|mp4|m4v|mov|avi|webm|mkv|mpg|mpeg|wmv|flv|mts|3gp|ogv|gif|gz))+$",
    re.IGNORECASE,
)
_PICTURES = re.compile(r"(/\d+)?/\*\.(png|jpe?g)$", re.IGNORECASE)  # PHOENIX: NAME/1/*.png


@dataclasses.dataclass(frozen=True)
class Entry:
    """One clip of a manifest.

    Attributes:
        id: Its name, without the suffix of a file.
        text: Its text in the spoken language.
        gloss: Its glosses; empty where it has none.
        signer: Who signs; empty where the manifest does not say.
        split: `train`, `dev`, `test`, or empty where the corpus has none.
        language: Code of the sign language; empty where the manifest does not say.
        stem: Name of its line-aligned files without the suffix; empty from a table.
        line: Its line in them, from 0.
        aliases: Other names of its file.
        files: Names of longer files that it is a segment of, in the order they are tried; a file
            by the name of the clip itself comes first and is not cut.
        start: Where the segment begins; None = at the beginning of the file.
        end: Where the segment ends; None = at the end of the file.
        unit: Unit of `start` and `end`, `seconds` or `frames` of the file.
        optional: Whether nothing is lost where it has no file.
        position: The table and the line, for messages; no part of what is prepared.
    """

    id: str
    text: str
    gloss: str = ""
    signer: str = ""
    split: str = ""
    language: str = ""
    stem: str = ""
    line: int = -1
    aliases: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    start: float | None = None
    end: float | None = None
    unit: str = "seconds"
    optional: bool = False
    position: str = dataclasses.field(default="", compare=False)

    @property
    def is_segment(self) -> bool:
        """Whether it is a part of its file."""
        return self.start is not None or self.end is not None

    @property
    def recording(self) -> str:
        """The name of the recording, which all its segments share."""
        return self.files[0] if self.files else self.id


@dataclasses.dataclass(frozen=True)
class Odd:
    """A row of a manifest that names no clip.

    Attributes:
        name: Its id, or the table and the line.
        reason: Why, in words that are the same for all rows of the kind.
        place: The table and the line.
    """

    name: str
    reason: str
    place: str = ""


Rows = Iterator[Entry | Odd]
"""Output of a reader of labels: clips, and rows that name none."""


def is_place(name: str) -> bool:
    """Whether a clip's id can be the name of a file below a folder: it may not lead out of it."""
    parts = name.split("/")
    return not any(
        part in ("", ".", "..") or "\0" in part or len(os.fsencode(part)) > _LONGEST
        for part in parts
    )


def clip_id(name: str) -> str:
    """The id of a clip from the name or path of a file: no suffix, slashes forward, NFC."""
    name = unicodedata.normalize("NFC", name).strip().replace("\\", "/")
    name = _PICTURES.sub("", name).strip("/").removeprefix("./")
    return _CLIP_SUFFIX.sub("", name)


def split_of(name: str) -> str:
    """The split that a name means, `train`, `dev` or `test`; nothing where it means none."""
    return SPLIT_NAMES.get(name.strip().lower(), "")


def splits_in(stem: str) -> set[str]:
    """The splits that parts of a file's name mean, `PHOENIX-2014-T.train.corpus`."""
    return {split_of(part) for part in re.split(r"[^a-zA-Z]+", stem)} - {""}


def split_in(stem: str) -> str:
    """The only split that parts of a file's name mean; nothing where there is none or several."""
    splits = splits_in(stem)
    return splits.pop() if len(splits) == 1 else ""


def seconds(value: str) -> float | None:
    """A time in seconds from `12.5`, `00:01:02,500` or `1:02`; None if empty, NaN or negative.

    Raises:
        ValueError: It is no time.
    """
    value = value.strip().replace(",", ".")
    if not value:
        return None
    if value.count(":") > 2:  # the last part counts frames
        raise ValueError(f"{value} is no time")
    total = 0.0
    for part in value.removeprefix("-").split(":"):
        total = 60 * total + float(part)
    if math.isinf(total):
        raise ValueError(f"{value} is no time")
    return None if math.isnan(total) or value.startswith("-") else total


def end_of(start: str, duration: str) -> str:
    """The end of a segment by its start and duration, in the form that `make_entry` takes."""
    try:
        lasts = seconds(duration)
        return "" if lasts is None else str((seconds(start) or 0.0) + lasts)
    except ValueError:
        return f"{start} + {duration}"  # no time


def make_entry(
    position: str,
    values: Mapping[str, str],
    split: str = "",
    aliases: Sequence[str] = (),
    scale: float = 1.0,
    unit: str = "seconds",
) -> Entry | Odd:
    """An entry from the fields of a row.

    Args:
        position: The table and the line, for messages.
        values: Field name -> value: `id text gloss signer split language file start end`.
        split: Split of the rows that do not say theirs.
        aliases: Other names of its file.
        scale: Factor from the unit of the values `start` and `end` to `unit`, 0.001 for
            milliseconds.
        unit: `seconds` or `frames`.

    Returns:
        The entry, or why there is none.
    """

    def field(name: str) -> str:
        return " ".join(values.get(name, "").split())

    name = clip_id(field("id"))
    if not name:
        return Odd(position, "no id", position)
    named_split = field("split")
    if named_split and not split_of(named_split):
        return Odd(name, f"unknown split {named_split!r}", position)
    try:
        start, end = (seconds(field(key)) for key in ("start", "end"))
    except ValueError:
        return Odd(name, "a start or end that is no time", position)
    if end is not None and end <= (start or 0) and not (end == 0 and not start):
        return Odd(name, "a segment that ends before it begins", position)
    if end == 0:  # lexicons write 0, 0 for a whole file
        end = None
    start, end = (None if time is None else time * scale for time in (start or None, end))
    files = tuple(clip_id(file) for file in field("file").split("|") if clip_id(file))
    whole = start is None and end is None
    return Entry(
        name,
        field("text"),
        field("gloss"),
        field("signer"),
        split_of(named_split) or split,
        field("language"),
        aliases=tuple(map(clip_id, aliases)),
        files=files or (() if whole else (name,)),
        start=start,
        end=end,
        unit=unit,
        position=position,
    )


def tell_apart(entries: Sequence[Entry]) -> tuple[list[Entry], list[Odd]]:
    """Gives an id of its own to each segment of a file; drops what is listed twice.

    Args:
        entries: Entries in the order of the manifest.

    Returns:
        The entries with ids that are unique in their language, and the rows that were dropped.
    """
    times = defaultdict(set)
    for entry in entries:
        times[entry.language, entry.id].add((entry.start, entry.end))
    kept: dict[tuple[str, str], Entry] = {}
    dropped = []
    for entry in entries:
        if entry.is_segment and len(times[entry.language, entry.id]) > 1:
            entry = dataclasses.replace(entry, id=f"{entry.id}_{_label(entry)}")
        first = kept.setdefault((entry.language, entry.id), entry)
        if first is not entry:
            text = " with another text" if first.text != entry.text else ""
            dropped.append(Odd(entry.id, f"listed twice{text}", entry.position))
    return list(kept.values()), dropped


def _label(entry: Entry) -> str:
    scale, mark = (1000, "") if entry.unit == "seconds" else (1, "f")
    start = round((entry.start or 0) * scale)
    return f"{mark}{start}-" + ("" if entry.end is None else str(round(entry.end * scale)))
