"""Files of labels that are no tables with a header: WLASL, MS-ASL, AUTSL and AI-Hub.

Each reader takes a file, its encoding and the spoken language of its texts, and yields entries and
rows that name no clip.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from signllm_jax.core.errors import DataError
from signllm_jax.corpora.entries import Entry, Odd, make_entry, split_in
from signllm_jax.corpora.tables import read_json, read_lines, read_table, rows_of_objects

Found = Iterator[Entry | Odd]
_AUTSL = re.compile(r"signer\d+_sample\d+(_color)?(\.\w+)?[,;\t]\d+$")
_AUTSL_SIGNS = "SignList_ClassId_TR_EN.csv"


def recognise_file(path: Path, encoding: str = "", spoken: str = "") -> str:
    """The dialect of a file that is no table with a header; '' for any other."""
    if path.suffix.lower() == ".json":
        content = read_json(path, encoding, spoken)
        first = content[0] if isinstance(content, list) and content else content
        if not isinstance(first, dict):
            return ""
        if "instances" in first:
            return "wlasl"
        if "url" in first and "start_time" in first:
            return "msasl"
        if "metaData" in first or "sign_script" in first:
            return "aihub"
        return ""
    if path.suffix.lower() in (".csv", ".txt"):
        lines = [line for line in read_lines(path, encoding, spoken)[:20] if line.strip()]
        if lines and all(_AUTSL.match(line.strip()) for line in lines[:3]):
            return "autsl"
    return ""


def read_wlasl(path: Path, encoding: str, spoken: str) -> Found:
    """WLASL: glosses with their instances, frames from 1 as decoded at the instance's rate."""
    for number, item in enumerate(_list(read_json(path, encoding, spoken)), 1):
        place = f"{path.name} item {number}"
        if not isinstance(item, dict) or not isinstance(item.get("instances"), list):
            yield Odd(place, "an item without instances", place)
            continue
        for instance in item["instances"]:
            if not isinstance(instance, dict):
                yield Odd(place, "an instance that is no JSON object", place)
                continue
            row = {key: str(value) for key, value in instance.items() if value is not None}
            text = " ".join(str(item.get("gloss", "")).split())
            values = {"id": row.get("video_id", ""), "text": text, "gloss": text}
            values |= {"signer": row.get("signer_id", ""), "split": row.get("split", "")}
            first, last, rate = (_number(row.get(k)) for k in ("frame_start", "frame_end", "fps"))
            if last > 0:
                values["end"] = str(last / (rate if rate > 0 else 25))
            if first > 1:
                values["start"] = str((first - 1) / (rate if rate > 0 else 25))
            yield make_entry(place, values)


def read_msasl(path: Path, encoding: str, spoken: str) -> Found:
    """MS-ASL: segments of videos by their address, named as `VIDEO_START-END` in milliseconds."""
    for row in rows_of_objects(path, read_json(path, encoding, spoken)).rows:
        if row.fault:
            yield Odd(row.place, row.fault, row.place)
            continue
        found = re.search(r"(?:v=|youtu\.be/|embed/|/)([\w-]{6,})(?:[?&].*)?$", row.values["url"])
        times = [_number(row.values.get(key)) for key in ("start_time", "end_time")]
        if not found:
            yield Odd(row.place, "no id", row.place)
            continue
        text = row.values.get("clean_text") or row.values.get("text", "")
        values = {"text": text, "gloss": text, "signer": row.values.get("signer_id", "")}
        values |= {"id": f"{found[1]}_{round(times[0] * 1000)}-{round(times[1] * 1000)}"}
        values |= {"file": found[1], "start": str(times[0]), "end": str(times[1])}
        yield make_entry(row.place, values, split_in(path.stem))


def read_autsl(path: Path, encoding: str, spoken: str) -> Found:
    """AUTSL: rows `signer0_sample1,41` without a header; the signs are in a list beside."""
    places = [folder / _AUTSL_SIGNS for folder in (path.parent, path.parent.parent)]
    signs = next((place for place in places if place.is_file()), None)
    if signs is None:
        raise DataError(
            f"{path}: the labels of AUTSL, which are numbers of classes: put {_AUTSL_SIGNS} beside "
            "it, which says what they mean"
        )
    listed = read_table(signs, "", spoken)
    column = "en" if spoken == "en" else "tr"
    if not {"classid", column} <= set(listed.header):
        raise DataError(f"{signs}: no columns ClassId, TR and EN in its header")
    names = {row.values["classid"]: row.values[column] for row in listed.rows if not row.fault}
    for row in read_table(path, encoding, spoken, header=False).rows:
        name, label = row.values.get("0", ""), row.values.get("1", "")
        if row.fault or label not in names:
            yield Odd(
                name or row.place, row.fault or f"class {label} is not in the list", row.place
            )
            continue
        name = name.removesuffix("_color")
        values = {"id": name, "text": names[label], "gloss": names[label]}
        values["signer"] = name.partition("_")[0]
        yield make_entry(row.place, values, split_in(path.stem), aliases=(f"{name}_color",))


def read_aihub(path: Path, encoding: str, spoken: str) -> Found:
    """AI-Hub: one JSON file a clip, with the glosses and, in sentence corpora, the sentence."""
    content = read_json(path, encoding, spoken)
    if not isinstance(content, dict):
        yield Odd(path.name, "no JSON object", path.name)
        return
    meta, script = content.get("metaData"), content.get("sign_script")
    if isinstance(script, dict):
        name = content.get("vido_file_nm")
        signs = script.get("sign_gestures_strong")
        glosses = [(_get(sign, "start"), _get(sign, "gloss_id")) for sign in _list(signs)]
        text = _get(content.get("krlgg_sntenc"), "koreanText")
    else:
        name, text = _get(meta, "name"), _get(meta, "korean_text")
        glosses = [
            (_get(sign, "start"), _get(part, "name"))
            for sign in _list(content.get("data"))
            for part in _list(_get(sign, "attributes") or [])
        ]
    line = " ".join(str(gloss) for _, gloss in sorted(glosses, key=_begin) if gloss)
    stem = re.sub(r"_morpheme$", "", path.stem)
    values = {"id": str(name or stem), "text": str(text or line), "gloss": line}
    values["split"] = split_in(path.parent.name)
    yield make_entry(path.name, values, aliases=(stem,))


def _begin(timed: tuple) -> float:
    return _number(timed[0])


def _get(value: object, key: str) -> object:
    return (value.get(key) or "") if isinstance(value, dict) else ""


def _list(value: object) -> list:
    return value if isinstance(value, list) else []


def _number(value: Any) -> float:
    try:
        return float(value or 0)
    except (TypeError, ValueError):
        return 0.0


READERS: dict[str, Callable[[Path, str, str], Found]] = {
    "wlasl": read_wlasl,
    "msasl": read_msasl,
    "autsl": read_autsl,
    "aihub": read_aihub,
}
"""Dialects of files that are no tables with a header."""
