"""Reads somebody else's predictions and matches them to the references by id.

`FILE.skels` has its ids in `FILE.files` beside it, line by line. A folder holds such files, or one
file a clip whose name without its suffix is the id (`.pose .npz .skels .json .zip`), at any depth.
"""

import dataclasses
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from signllm_jax.core.errors import DataError, PoseFormatError
from signllm_jax.eval.eval_set import Language
from signllm_jax.poses import files, skels
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.frames import Repairs
from signllm_jax.poses.normalize import to_shoulder_widths

_NAMED = 5  # ids that are named in a report


def file_name(name: str) -> str:
    """An id as the name of a file: what is not a letter, digit, dot, dash or _ becomes _."""
    return re.sub(r"[^\w.-]", "_", name)


@dataclasses.dataclass
class Predictions:
    """Clips of another system.

    Attributes:
        path: what was read.
        clips: `file_name` of the id -> the clip, or why there is none.
        repairs: what the readers put right.
        unknown: ids of predictions that no reference has, after `match`.
    """

    path: str
    clips: dict[str, PoseClip | str]
    repairs: Repairs
    unknown: list[str] = dataclasses.field(default_factory=list)

    def describe(self) -> dict:
        """What report.json says about them."""
        return {
            "path": self.path,
            "clips": len(self.clips),
            "unknown_ids": len(self.unknown),
            "unknown_named": self.unknown[:_NAMED],
            "repairs": dict(self.repairs),
        }


def read_predictions(path: str | os.PathLike, fps: Mapping[str, float]) -> Predictions:
    """Reads every prediction under `path`; one that cannot be read is kept as the reason.

    Args:
        path: a `.skels` file or a folder.
        fps: id -> frames a second of the reference, for formats that do not store them.

    Raises:
        DataError: nothing there, `.skels` and `.files` of different lengths, or an id twice.
    """
    path = Path(path)
    rates = {file_name(name): rate for name, rate in fps.items()}
    if len(rates) < len(fps):
        raise DataError(f"{path}: two references have ids that are the same as names of files")
    found = Predictions(os.fspath(path), {}, Repairs())
    if path.is_dir():
        candidates = sorted(p for p in path.rglob("*") if p.suffix.lower() in files.SUFFIXES)
    elif path.is_file() and path.suffix.lower() == ".skels":
        candidates = [path]
    else:
        raise DataError(f"{path}: predictions are a .skels file or a folder")
    for file in candidates:
        for name, clip in _clips(file, rates, found.repairs, alone=path.is_file()):
            if name in found.clips:
                raise DataError(f"{file}: a second prediction of {name}")
            found.clips[name] = clip
    if not found.clips:
        raise DataError(f"{path}: no predictions in it ({' '.join(files.SUFFIXES)})")
    return found


def _clips(path: Path, rates, repairs, alone: bool) -> Iterator[tuple[str, PoseClip | str]]:
    listed = path.with_suffix(".files")
    if path.suffix.lower() != ".skels" or not (alone or listed.exists()):
        name = file_name(path.stem.removesuffix(".json"))
        yield name, _checked(lambda rate: files.read_clip(path, rate, repairs), rates.get(name, 25))
        return
    try:
        names = listed.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise DataError(f"{listed}: the ids of {path.name} cannot be read: {error}") from None
    count = 0
    for line in skels.lines(path):
        if count < len(names):
            name, place = file_name(names[count].strip()), f"{path}: line {count + 1}"

            def read(rate, line=line, place=place):
                return skels.read_line(line, rate, None, place, repairs)

            yield name, _checked(read, rates.get(name, 25))
        count += 1
    if count != len(names):
        raise DataError(f"{path}: {count} lines, but {len(names)} ids in {listed.name}")


def _checked(read, fps: float) -> PoseClip | str:
    """The clip, or why it cannot be scored."""
    try:
        clip = read(float(fps))
    except PoseFormatError as error:
        return f"prediction unreadable ({error!s:.200})"
    if clip is None:
        return "prediction empty"
    if not clip.observed.any():
        return "prediction without a joint"
    return clip


def _shoulder_width(clip: PoseClip) -> float:
    """The median distance of the shoulders in all three axes, NaN where they are never seen."""
    right, left = map(clip.skeleton.index, ("right_shoulder", "left_shoulder"))
    both = clip.observed[:, right] & clip.observed[:, left]
    apart = np.linalg.norm(clip.positions[both, right] - clip.positions[both, left], axis=-1)
    return float(np.median(apart)) if len(apart) else float("nan")


def _in_unit(clip: PoseClip, unit: float) -> PoseClip | str:
    """The clip about its median neck, its shoulders `unit` wide; a reason where it has none."""
    try:
        positions = to_shoulder_widths(clip.positions, clip.confidence, clip.layout, "clip")
    except PoseFormatError as error:
        return f"prediction without shoulders ({error})"
    return dataclasses.replace(clip, positions=(unit * positions).astype(np.float32))


def match(predictions: Predictions, languages: dict[str, Language]) -> dict[str, list[PoseClip]]:
    """Gives every reference its prediction.

    References without a usable one are taken out of `languages`, which is changed, and counted as
    excluded by the reason; languages without any are taken out wholly. All rows of the report are
    then about the same clips.

    Formats and systems have units of their own, so every prediction is laid about its own median
    neck and scaled to one shoulder width for a language, the median of its references' clips.
    Nothing of the reference of the same text is used.

    Returns:
        Language -> clips in the order of its texts.

    Raises:
        DataError: no reference has a usable prediction.
    """
    known = set()
    matched = {}
    reasons: Counter = Counter()
    for code, each in list(languages.items()):
        keep, clips = [], []
        widths = np.array([_shoulder_width(clip) for clip in each.references])
        unit = float(np.median(widths[widths > 0])) if (widths > 0).any() else 1.0
        for index, name in enumerate(each.names):
            known.add(file_name(name))
            clip = predictions.clips.get(file_name(name), "no prediction")
            if isinstance(clip, PoseClip) and clip.layout != each.references[index].layout:
                clip = f"prediction in the layout {clip.layout}"
            if isinstance(clip, PoseClip):
                clip = _in_unit(clip, unit)
            if isinstance(clip, PoseClip):
                keep.append(index)
                clips.append(clip)
            else:
                each.excluded[clip.partition(" (")[0]] += 1
                reasons[clip] += 1
        if keep:
            matched[code] = clips
            for field in ("texts", "names", "glosses", "ids", "references"):
                setattr(each, field, [getattr(each, field)[index] for index in keep])
        else:
            del languages[code]
    predictions.unknown = sorted(set(predictions.clips) - known)
    if not matched:
        told = "; ".join(f"{count} x {why}" for why, count in reasons.most_common(3))
        raise DataError(
            f"{predictions.path}: none of its {len(predictions.clips)} predictions can be scored: "
            f"{told}; ids look like {next(iter(predictions.clips))} there and "
            f"{min(known)} here"
        )
    return matched
