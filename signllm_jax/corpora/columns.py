"""Finds the columns of a table's fields, by the usual names of columns or those of a dialect.

Names are compared by their letters and digits: `startTime`, `start time` and `start_time` are one.
"""

import re
from collections.abc import Mapping

from signllm_jax.core.errors import DataError
from signllm_jax.corpora.entries import seconds
from signllm_jax.corpora.tables import Table

Columns = Mapping[str, tuple[str, ...]]

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
    "language": (
        *("signed_language", "sign_language", "signed_lang", "sign_lang", "language", "lang"),
        *("language_code", "lang_code", "iso", "iso_code", "iso639", "iso639_3"),
    ),
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
_TIME = r"(start|begin|onset|end|stop|offset)"
_TIMES = re.compile(
    rf"(^|[_ ]){_TIME}($|[_ (.-])"
    rf"|^{_TIME}(time|sec|ms|milli|frame|pos|stamp|ts$|tc$)|(time|frame|segment|clip){_TIME}$"
)
_NO_TIMES = {"date", "age", "year", "id", "text", "word"}
_SPANS = (
    ("from", "to"),
    ("in", "out"),
    ("on", "off"),
    ("t0", "t1"),
    ("t1", "t2"),
    ("tmin", "tmax"),
    *(("beginn", "ende"), ("anfang", "ende"), ("début", "fin"), ("inicio", "fin")),
    *(("inizio", "fine"), ("başlangıç", "bitiş"), ("시작", "끝"), ("시작", "종료")),
)
"""Pairs of names that are times where both are there."""
_SPAN_NAMES = {
    *("time", "times", "timestamp", "timestamps", "timespan", "timerange", "timecode", "timecodes"),
    *("segment", "segments", "interval", "span", "range"),
}
"""Names of a column that has a start and an end where its values are two times each."""
_OF_SPANS = re.compile(r"(s|ms|secs?|seconds|time|tc|frames?|시간)?")
"""Further words in the name of such a column."""
_CLOCK = r"\d+(?::\d+)*(?:[.,]\d+)?"
_TWO_TIMES = re.compile(
    rf"{_CLOCK}(?:\s*(?:-|–|-->|to|,|;|/)\s*|\s+){_CLOCK}|[\[(].*\d[\s\])]*[,;\s].*\d.*[\])]"
)
_MARKED = r"\d+(?:[:.,]\d+)+"
_SPAN = re.compile(rf"({_MARKED})\s*(?:-|–|-->|to)\s*({_MARKED})")
"""Two times that can hardly be anything else, whatever the column is called: `0.0-2.1`."""


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
    faults, fields = [], {}
    for field, column in named.items():
        if column and column.strip().lower() not in table.header:
            faults.append(f"no column {column!r}, which --{field}_column names")
        elif column:
            fields[field] = column.strip().lower()
    by_letters = {_letters(name): name for name in reversed(table.header)}
    for field, names in columns.items():
        spellings = dict.fromkeys(map(_letters, names))
        present = [by_letters[letters] for letters in spellings if letters in by_letters]
        if field == "file":
            present = [name for name in present if name != fields.get("id")]
        if field not in fields and present:
            fields[field] = "|".join(present) if field == "file" else present[0]
    lacking = [field for field in ("id", "text") if field in columns and field not in fields]
    lacking = [field for field in lacking if not named.get(field)]
    for field in lacking:
        first, *others = columns[field][:6]
        faults.append(f"no column {first!r}" + (f" (or {', '.join(others)})" if others else ""))
    if columns is USUAL:  # a segment with times must not be taken for the whole file
        known = {_letters(name) for names in columns.values() for name in names}
        rest = _unknown_times(table, known)
        if not named.get("text") and _has_numbers(table, fields.get("text", "")):
            faults.append(
                f"column {fields['text']!r} holds numbers of classes, which say nothing: say which "
                "column has the texts by --text_column=NAME"
            )
        if fields.get("end") == "offset" and "start" not in fields:  # as `offset` and `duration`
            fields["start"] = fields.pop("end")
            rest += [] if "duration" in fields else [fields.pop("start")]
        faults += [f"column {name!r} looks like a time and is not known" for name in rest]
        faults += _one_unit(fields) + _endless(table, fields)
    spelled = [_letters(name) for name in table.header]
    used = {name for names in fields.values() for name in names.split("|")}
    twice = {name for name in used if spelled.count(_letters(name)) > 1}
    faults += [f"column {name!r} stands there twice" for name in sorted(twice)]
    if faults:
        hint = " ".join(f"--{field}_column=NAME" for field in lacking)
        raise DataError(
            f"{table.path}: {'; '.join(faults)}; its header is: {', '.join(table.header)}"
            + (f"; the first line must name the columns: say which by {hint}" if hint else "")
        )
    return fields


def _letters(name: str) -> str:
    return re.sub(r"[\W_]+", "", name)


def _unknown_times(table: Table, known: set[str]) -> list[str]:
    """Columns that look like the times of segments, by their names or as two times each."""
    rest = [name for name in table.header if _letters(name) not in known]
    bare = {}
    for name in rest:
        words = re.split(r"[\W_]+|(?<=시작)|(?<=종료)", name)
        bare[" ".join(word for word in words if not _OF_SPANS.fullmatch(word))] = name
    pair = next((pair for pair in _SPANS if {*pair} <= {*bare}), ())
    times = []
    for name in rest:
        values = [value for row in table.rows if (value := row.values.get(name, "").strip())]
        named = _TIMES.search(name) and not _NO_TIMES & {*re.split(r"[\W_]+", name)}
        two_times = _letters(name) in _SPAN_NAMES and any(map(_TWO_TIMES.fullmatch, values))
        if named or two_times or _are_spans(values):
            times.append(name)
    return [*times, *(bare[name] for name in pair)]


def _has_numbers(table: Table, name: str) -> bool:
    """Whether a column of labels holds whole numbers alone."""
    values = [row.values.get(name, "") for row in table.rows]
    return name == "label" and bool(values) and all(value.isdecimal() for value in values)


def _are_spans(values: list[str]) -> bool:
    """Whether there are values and each of them is a start and a later end."""
    spans = [_SPAN.fullmatch(value) for value in values]
    return bool(spans) and all(span and _later(*span.groups()) for span in spans)


def _later(begin: str, end: str) -> bool:
    try:
        return (seconds(begin) or 0.0) < (seconds(end) or 0.0)
    except ValueError:
        return False


def _endless(table: Table, fields: dict[str, str]) -> list[str]:
    """The fault of segments of one file that have a beginning and no end."""
    begin = next((fields[key] for key in ("start", "start_ms", "start_frame") if key in fields), "")
    if not begin or {"end", "end_ms", "end_frame", "duration"} & {*fields} or "id" not in fields:
        return []
    names = [row.values.get(fields["id"], "") for row in table.rows]
    if len({*names}) == len(names):
        return []
    return [f"column {begin!r} says where segments of one file begin, and none where they end"]


def _one_unit(fields: dict[str, str]) -> list[str]:
    """Keeps the times of one unit, the first with start and end; or gives the fault.

    A duration in seconds replaces a missing end in seconds, and is ignored beside one.
    """
    if "start" not in fields or "end" in fields:
        fields.pop("duration", None)
    if "duration" in fields:
        return []
    pairs = [{f"start{unit}", f"end{unit}"} for unit in ("", "_ms", "_frame")]
    pairs = [pair for pair in pairs if pair & {*fields}]
    whole = [pair for pair in pairs if pair <= {*fields}]
    if len(pairs) > 1 and not whole:
        return ["its segments begin and end in several units"]
    for name in set().union(*pairs) - whole[0] if whole else ():
        fields.pop(name, None)
    return []
