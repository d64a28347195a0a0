"""Reports on a prepared corpus: `prepare_report.json`, `.md` and a contact sheet."""

import collections
import io
import itertools
import json
import re
from collections.abc import Mapping

import numpy as np

from signllm_jax.core import markdown
from signllm_jax.core.plain_files import write_whole
from signllm_jax.core.wording import counted
from signllm_jax.corpora.entries import SPLITS
from signllm_jax.corpora.shards import Prepared
from signllm_jax.poses.clip import PoseClip

SHEET_CLIPS = 6
_SIDES = ("left", "right")
_SHOWN = 20  # lines of a list in the .md file; the .json file has all
_COPIED = (
    "read_as",
    "gloss_rules",
    "other_languages",
    "missing",
    "odd_rows",
    "ignored_files",
    "without_text",
    "composed",
)
"""Keys of source.json that the report has, too, if they are there."""
_UNNAMED = "not named by the manifest"
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*(?:e[+-]?\d+)?")
_EDGES = (0, 25, 50, 75, 100, 150, 200, 300, 500, 1000)  # frames


def write_report(prepared: Prepared, settings: dict) -> dict:
    """Writes the report of a prepared source into its folder.

    Args:
        prepared: Prepared source.
        settings: Content of its `source.json`.

    Returns:
        The content of prepare_report.json.
    """
    lengths, lost, repairs = [], [], collections.Counter()
    splits, hands, signers = collections.Counter(), [], set()
    glosses, odd = 0, collections.defaultdict(list)
    for part in prepared.listed():
        lost += part["lost"]
        repairs.update(part["repairs"])
        for example in part["examples"]:
            lengths.append(example["frames"])
            splits[example["split"]] += 1
            hands.append([example["hands"][side] for side in _SIDES])
            signers.add(example["signer"])
            glosses += bool(example["gloss"])
            for kind, detail in example["odd"]:
                odd[kind].append([example["id"], detail])
    reasons = collections.Counter(row["reason"] for row in (*lost, *settings["odd_rows"]))
    reasons[_UNNAMED] += len(settings["without_text"])
    reasons["a file of macOS (._)"] += len(settings["ignored_files"])
    report = {
        "language": prepared.language,
        "source": prepared.source,
        "settings": settings["settings"],
        "clips_in": len(lengths) + sum(reasons.values()) - reasons[_UNNAMED],
        "clips_out": len(lengths),
        "splits": {name: splits[name] for name in SPLITS},
        "splits_by": settings["splits_by"],
        "lost_by_reason": dict(grouped(+reasons).most_common()),
        "repairs": dict(repairs),
        "odd": {kind: odd[kind] for kind in sorted(odd)},
        "frames": _frames(lengths),
        "hands_seen": dict(zip(_SIDES, np.mean(hands or [[0, 0]], axis=0).round(4).tolist())),
        "signers": len(signers - {""}),
        "with_gloss": glosses,
        "lost": lost,
        **{key: settings[key] for key in _COPIED if key in settings},
    }
    write_whole(prepared.folder / "prepare_report.json", json.dumps(report, indent=1).encode())
    write_whole(prepared.folder / "prepare_report.md", _text(report).encode())
    if lengths:
        write_whole(prepared.folder / "contact_sheet.png", contact_sheet(prepared, len(lengths)))
    return report


def summary(report: dict, path: str) -> list[str]:
    """A few lines for a terminal: what was prepared, how it was read, and what was lost."""
    counts = ", ".join(f"{split} {count}" for split, count in report["splits"].items())
    lines = [f"{report['clips_out']} of {report['clips_in']} clips ({counts}): {path}"]
    if "composed" in report:
        lines.append(_composed(report["composed"]))
    names, rules = ", ".join(report["read_as"]), report["gloss_rules"]
    lines.append(f"read as {names}, glosses by the rules {rules}")
    lost = dict(report["lost_by_reason"])
    if unnamed := lost.pop(_UNNAMED, 0):
        lines.append(_not_used(unnamed))
    for reason, count in lost.items():
        where = f" ({report['missing']})" if reason == "no pose file" else ""
        lines.append(f"lost: {count} x {reason}{where}")
    odd, others = report["odd"].items(), report["other_languages"].items()
    lines += [f"odd: {len(clips)} x {kind} ({': '.join(clips[0])})" for kind, clips in odd]
    return lines + [f"of another language: {count} x {language}" for language, count in others]


def grouped(reasons: Mapping[str, int]) -> collections.Counter[str]:
    """Adds up the counts of reasons that differ only in their numbers.

    The common reason has … in place of each number; a reason that is like no other stays as it is.
    """
    alike = collections.defaultdict(dict)  # reason with … for numbers -> reason -> count
    for reason, count in reasons.items():
        alike[_NUMBER.sub("…", reason)][reason] = count
    merged: collections.Counter[str] = collections.Counter()
    for common, counts in alike.items():
        merged[common if len(counts) > 1 else next(iter(counts))] += sum(counts.values())
    return merged


def _not_used(count: int) -> str:
    return f"not used: {counted(count, 'file')} that the manifest does not name"


def _composed(composed: dict) -> str:
    sessions = {name for names in composed["sessions"].values() for name in names}
    return (
        f"sentences composed of {composed['takes']} takes of {len(composed['signs'])} signs "
        f"in {counted(max(len(sessions), 1), 'session')}"
    )


def _frames(lengths: list[int]) -> dict:
    if not lengths:
        return {"total": 0}
    counts = np.histogram(lengths, [*_EDGES, np.inf])[0].tolist()
    return {
        "total": int(sum(lengths)),
        "shortest": min(lengths),
        "median": float(np.median(lengths)),
        "longest": max(lengths),
        "histogram": {f"from {edge}": count for edge, count in zip(_EDGES, counts) if count},
    }


def _text(report: dict) -> str:
    empty = [name for name, count in report["splits"].items() if not count]
    splits = ", ".join(f"{name} {count}" for name, count in report["splits"].items() if count)
    frames, hands = report["frames"], report["hands_seen"]
    lines = [
        f"# {report['language']}_{report['source']}",
        "",
        f"{report['clips_out']} of {report['clips_in']} clips: {splits or 'none'}"
        + (f" (empty: {', '.join(empty)})" if empty else ""),
        f"Splits: {report['splits_by']}. Signers named: {report['signers']}. With gloss: "
        f"{report['with_gloss']}.",
        *([f"Here are {_composed(report['composed'])}."] if "composed" in report else ()),
        f"Read as: {', '.join(report['read_as'])}; glosses by the rules {report['gloss_rules']}.",
        *(f"Of another language: {n} × {name}." for name, n in report["other_languages"].items()),
        "",
        "![random clips](contact_sheet.png)",
        "",
        _counted("what was done", "count", report["repairs"]),
        "",
    ]
    if odd := report["odd"]:
        rows = ([kind, str(len(clips)), "{} ({})".format(*clips[0])] for kind, clips in odd.items())
        lines += [markdown.table(["what is odd", "clips", "the first"], rows), ""]
    if frames["total"]:
        lines += [
            f"{frames['total']} frames at 25 a second; a clip has {frames['shortest']} to "
            f"{frames['longest']}, median {frames['median']:g}. The left hand is seen in "
            f"{hands['left']:.0%} of a clip's frames, the right one in {hands['right']:.0%}.",
            "",
            _counted("frames", "clips", frames["histogram"]),
            "",
        ]
    why = dict(report["lost_by_reason"])
    unnamed = why.pop(_UNNAMED, 0)
    lines.append(_counted("why clips are lost", "clips", why))
    lines += ["", f"{_not_used(unnamed).capitalize()}."] if unnamed else []
    lines += ["", f"Missing: {report['missing']}."] if report["missing"] else []
    lost = [(row["name"], _why(row)) for row in report["odd_rows"]]
    lost += [(clip["id"], clip["reason"]) for clip in report["lost"]]
    lines += ["", *(f"- {name}: {reason}" for name, reason in lost[:_SHOWN])]
    if len(lost) > _SHOWN:
        lines.append(f"- and {len(lost) - _SHOWN} more in prepare_report.json")
    return "\n".join(lines) + "\n"


def _why(row: dict) -> str:
    """Why a row is odd, and where it is, unless its name says so."""
    return row["reason"] + f" ({row['place']})" * (row["place"] not in ("", row["name"]))


def _counted(name: str, count: str, counts: dict[str, int]) -> str:
    return markdown.table([name, count], ([key, str(value)] for key, value in counts.items()))


def contact_sheet(prepared: Prepared, clips: int) -> bytes:
    """A PNG of random clips, always the same ones for the same source."""
    from PIL import Image

    from signllm_jax.render.figure import contact_strip

    random = np.random.default_rng(int(prepared.digest, 16))
    chosen = set(random.permutation(clips)[:SHEET_CLIPS].tolist())
    strips = []
    examples = itertools.chain.from_iterable(map(prepared.examples, SPLITS))
    for number, (example, pose, confidence, fps) in enumerate(examples):
        if number in chosen:
            floats = pose.astype(np.float32), confidence.astype(np.float32)
            clip = PoseClip(*floats, fps, prepared.layout)
            strips.append(contact_strip(clip, text=f"{example['id']}: {example['text']}"))
    sheet = Image.new("RGB", (max(s.width for s in strips), sum(s.height for s in strips)), "white")
    tops = itertools.accumulate((strip.height for strip in strips), initial=0)
    for strip, top in zip(strips, tops):
        sheet.paste(strip, (0, top))
    content = io.BytesIO()
    sheet.save(content, "PNG")
    return content.getvalue()
