"""Files of labels that are no tables with a header: WLASL, MS-ASL, AUTSL and AI-Hub.

Each reader takes a file, its encoding and the spoken language of its texts, and yields entries and
rows that name no clip.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from signllm_jax.core.errors import DataError
from signllm_jax.corpora.entries import Odd, Rows, make_entry, split_in
from signllm_jax.corpora.tables import read_json, read_lines, read_table, rows_of_objects

_KEYS = (
    ("wlasl", {"instances"}),
    ("msasl", {"url", "start_time"}),
    *(("aihub", {"metaData"}), ("aihub", {"sign_script"})),
)
"""Dialect -> keys that its objects have."""
_AUTSL = re.compile(r"signer\d+_sample\d+(_color)?(\.\w+)?[,;\t]\d+$")
_AUTSL_SIGNS = "SignList_ClassId_TR_EN.csv"


def recognize_file(path: Path, encoding: str = "", spoken: str = "") -> str:
    """The dialect of a file that is no table with a header; '' for any other."""
    if path.suffix.lower() == ".json":
        content = read_json(path, encoding, spoken)
        first = content[0] if isinstance(content, list) and content else content
        present = first.keys() if isinstance(first, dict) else set()
        return next((dialect for dialect, keys in _KEYS if keys <= present), "")
    if path.suffix.lower() in (".csv", ".txt"):
        lines = [line for line in read_lines(path, encoding, spoken)[:20] if line.strip()]
        if lines and all(_AUTSL.match(line.strip()) for line in lines[:3]):
            return "autsl"
    return ""


def read_wlasl(path: Path, encoding: str, spoken: str) -> Rows:
    """WLASL: glosses with their instances, frames from 1 as decoded at the instance's rate."""
    for number, item in enumerate(_list(read_json(path, encoding, spoken)), 1):
        position = f"{path.name} item {number}"
        if not isinstance(item, dict) or not isinstance(item.get("instances"), list):
            yield Odd(position, "an item without instances", position)
            continue
        for instance in item["instances"]:
            if not isinstance(instance, dict):
                yield Odd(position, "an instance that is no JSON object", position)
                continue
            row = {key: str(value) for key, value in instance.items() if value is not None}
            text = " ".join(str(item.get("gloss", "")).split())
            values = {"id": row.get("video_id", ""), "text": text, "gloss": text}
            values |= {"signer": row.get("signer_id", ""), "split": row.get("split", "")}
            first, last, fps = (_number(row.get(k)) for k in ("frame_start", "frame_end", "fps"))
            fps = fps if fps > 0 else 25
            if last > 0:
                values["end"] = str(last / fps)
            if first > 1:
                values["start"] = str((first - 1) / fps)
            yield make_entry(position, values)


def read_msasl(path: Path, encoding: str, spoken: str) -> Rows:
    """MS-ASL: segments of videos by their address, named as `VIDEO_START-END` in milliseconds."""
    for row in rows_of_objects(path, read_json(path, encoding, spoken)).rows:
        url = row.values.get("url", "")
        video = re.search(r"(?:v=|youtu\.be/|embed/|/)([\w-]{6,})(?:[?&].*)?$", url)
        times = [_number(row.values.get(key)) for key in ("start_time", "end_time")]
        if row.fault or not video:
            yield Odd(row.position, row.fault or "no id", row.position)
            continue
        text = row.values.get("clean_text") or row.values.get("text", "")
        values = {"text": text, "gloss": text, "signer": row.values.get("signer_id", "")}
        values |= {"id": f"{video[1]}_{round(times[0] * 1000)}-{round(times[1] * 1000)}"}
        values |= {"file": video[1], "start": str(times[0]), "end": str(times[1])}
        yield make_entry(row.position, values, split_in(path.stem))


def read_autsl(path: Path, encoding: str, spoken: str) -> Rows:
    """AUTSL: rows `signer0_sample1,41` without a header; the signs are in a list beside."""
    beside = (folder / _AUTSL_SIGNS for folder in (path.parent, path.parent.parent))
    signs = next((file for file in beside if file.is_file()), None)
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
            reason = row.fault or f"class {label} is not in the list"
            yield Odd(name or row.position, reason, row.position)
            continue
        name = name.removesuffix("_color")
        values = {"id": name, "text": names[label], "gloss": names[label]}
        values["signer"] = name.partition("_")[0]
        yield make_entry(row.position, values, split_in(path.stem), aliases=(f"{name}_color",))


def read_aihub(path: Path, encoding: str, spoken: str) -> Rows:
    """AI-Hub: one JSON file per clip, with the glosses and, in sentence corpora, the sentence."""
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
    glosses.sort(key=lambda sign: _number(sign[0]))
    line = " ".join(str(gloss) for _, gloss in glosses if gloss)
    stem = re.sub(r"_morpheme$", "", path.stem)
    values = {"id": str(name or stem), "text": str(text or line), "gloss": line}
    values["split"] = split_in(path.parent.name)
    yield make_entry(path.name, values, aliases=(stem,))


def _get(value: object, key: str) -> object:
    return (value.get(key) or "") if isinstance(value, dict) else ""


def _list(value: object) -> list:
    return value if isinstance(value, list) else []


def _number(value: Any) -> float:
    try:
        return float(value or 0)
    except (TypeError, ValueError):
        return 0.0


READERS: dict[str, Callable[[Path, str, str], Rows]] = {
    "wlasl": read_wlasl,
    "msasl": read_msasl,
    "autsl": read_autsl,
    "aihub": read_aihub,
}
"""Dialects of files that are no tables with a header."""
