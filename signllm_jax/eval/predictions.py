"""Reads somebody else's predictions and matches them to the references by id.

`FILE.skels` has its ids in `FILE.files` beside it, line by line; `FILE.pt` has them within. A
folder holds such files, or one file a clip whose name without its suffix is the id (`.pose .npz
.skels .json .zip`), or a folder of OpenPose's frames a clip, at any depth. Ids are those of the
data set (`asl_how2sign_CLIP`) or the corpus's own (`CLIP`; see `prediction_ids`).
"""

import dataclasses
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from signllm_jax.core.errors import DataError, PoseFormatError
from signllm_jax.core.skeleton import OPENPOSE50
from signllm_jax.core.storage import read_regular
from signllm_jax.corpora.entries import clip_id
from signllm_jax.eval.eval_set import Language
from signllm_jax.eval.flat import flatten, flatten_languages, is_flat, without_depth
from signllm_jax.eval.prediction_ids import aliases as aliases_of
from signllm_jax.eval.prediction_ids import file_name
from signllm_jax.eval.slrtp_reading import read_slrtp, to_clip
from signllm_jax.poses import files, skels
from signllm_jax.poses.clean import at_rate
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.frames import Repairs
from signllm_jax.poses.normalize import to_shoulder_widths
from signllm_jax.poses.openpose import read_openpose

_NAMED = 5  # ids that are named in a report
_FRAME = "_keypoints.json"  # the end of the names of OpenPose's files
ENDLESS = 2.0  # times the longest reference: a prediction that lasts longer had no end


@dataclasses.dataclass
class Predictions:
    """Clips of another system.

    Attributes:
        path: what was read.
        clips: `file_name` of the id -> the clip, or why there is none.
        repairs: what the readers put right.
        unknown: ids of predictions that no reference has, after `match`.
        flat: whether both sides are compared in x and y, after `match`.
        seconds: `file_name` of the id -> how long a prediction without an end lasts, after `match`.
    """

    path: str
    clips: dict[str, PoseClip | str]
    repairs: Repairs
    unknown: list[str] = dataclasses.field(default_factory=list)
    flat: bool = False
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)

    def describe(self) -> dict:
        """What report.json says about them."""
        return {
            "path": self.path,
            "clips": len(self.clips),
            "unknown_ids": len(self.unknown),
            "unknown_named": self.unknown[:_NAMED],
            "repairs": dict(self.repairs),
            "compared": "x and y" if self.flat else "x, y and z",
            "endless": len(self.seconds),
        }


def read_predictions(path: str | os.PathLike, fps: Mapping[str, float]) -> Predictions:
    """Reads every prediction under `path`; one that cannot be read is kept as the reason.

    Args:
        path: a `.skels` or `.pt` file or a folder.
        fps: id -> frames a second of the reference, for formats that do not store them.

    Raises:
        DataError: nothing there, `.skels` and `.files` of different lengths, or an id twice.
    """
    path = Path(path)
    rates = {file_name(name): rate for name, rate in fps.items()}
    if len(rates) < len(fps):
        raise DataError(f"{path}: two references have ids that are the same as names of files")
    found, aliases = Predictions(os.fspath(path), {}, Repairs()), aliases_of(fps)
    if path.is_dir():
        candidates = _candidates(path)
    elif path.is_file() and path.suffix.lower() in (".skels", ".pt"):
        candidates = [path]
    else:
        raise DataError(f"{path}: predictions are a .skels file, a .pt file or a folder")
    for file in candidates:
        for said, read in _clips(file, found.repairs, alone=path.is_file()):
            name = file_name(said)
            name = aliases.get(name) or aliases.get(file_name(clip_id(said)), name)
            if name in found.clips:
                raise DataError(f"{file}: a second prediction of {name}")
            found.clips[name] = _checked(read, rates.get(name, 25), found.repairs)
    if not found.clips:
        raise DataError(f"{path}: no predictions in it ({' '.join(files.SUFFIXES)} .pt)")
    return found


def _candidates(folder: Path) -> list[Path]:
    """The files of clips below a folder, and the folders of OpenPose's frames."""
    every = [p for p in sorted(folder.rglob("*")) if not p.name.startswith("._")]
    frames = {path.parent for path in every if path.name.endswith(_FRAME)}
    fitting = [p for p in every if p.suffix.lower() in (*files.SUFFIXES, ".pt")]
    fitting = [p for p in fitting if not p.name.endswith(_FRAME)]
    # the same clips are exported as .skels and as .pt into one folder
    return sorted(
        {p for p in fitting if p.suffix.lower() != ".pt" or not p.with_suffix(".skels").exists()}
        | frames
    )


def _clips(
    path: Path, repairs: Repairs, alone: bool
) -> Iterator[tuple[str, Callable[[float], PoseClip | None]]]:
    """(id, what reads the clip at a frame rate) of every clip of a file."""
    listed = path.with_suffix(".files")
    if path.suffix.lower() == ".pt":
        for name, points in read_slrtp(path):
            place = f"{path}: {name:.80}"
            yield name, lambda rate, points=points, place=place: to_clip(points, place)
        return
    if path.is_dir():
        yield path.name, lambda rate: read_openpose(path, rate, repairs)
        return
    if path.suffix.lower() != ".skels" or not (alone or listed.exists()):
        # the depth of a .pose is in a unit that no file says
        kept = without_depth if path.suffix.lower() == ".pose" else lambda clip: clip
        name = path.stem.removesuffix(".json")
        yield name, lambda rate: kept(files.read_clip(path, rate, repairs))
        return
    try:
        names = read_regular(listed).decode("utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise DataError(f"{listed}: the ids of {path.name} cannot be read: {error}") from None
    count = 0
    for line in skels.lines(path):
        if count < len(names):
            place = f"{path}: line {count + 1}"

            def read(rate, line=line, place=place):
                return skels.read_line(line, rate, None, place, repairs)

            yield names[count].strip(), read
        count += 1
    if count != len(names):
        raise DataError(f"{path}: {count} lines, but {len(names)} ids in {listed.name}")


def _checked(read, fps: float, repairs: Repairs) -> PoseClip | str:
    """The clip at the rate of its reference, or why it cannot be scored."""
    try:
        clip = read(float(fps))
    except PoseFormatError as error:
        return f"prediction unreadable ({error!s:.200})"
    if clip is None:
        return "prediction empty"
    if not clip.observed.any():
        return "prediction without a joint"
    if (own := at_rate(clip, float(fps))) is not clip:
        repairs["clips resampled to the rate of their reference"] += 1
    return own


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


def _in_x_and_y(predictions: Predictions, languages: dict[str, Language]) -> bool:
    """Whether a prediction of a reference has no depth, or other joints than the reference."""
    for each in languages.values():
        for name, reference in zip(each.names, each.references):
            clip = predictions.clips.get(file_name(name))
            if isinstance(clip, PoseClip) and (
                clip.layout != reference.layout
                or (reference.layout == OPENPOSE50.name and is_flat(clip))
            ):
                return True
    return False


def _flattened(clip: PoseClip | str) -> PoseClip | str:
    try:
        return flatten(clip) if isinstance(clip, PoseClip) else clip
    except PoseFormatError as error:
        return f"prediction without shoulders ({error})"


def match(predictions: Predictions, languages: dict[str, Language]) -> dict[str, list[PoseClip]]:
    """Gives every reference its prediction.

    References without a usable one are taken out of `languages`, which is changed, and counted as
    excluded by the reason; languages without any are taken out wholly. All rows of the report are
    then about the same clips.

    Where predictions have no depth, or the joints of another layout, both sides are flattened:
    everything in `languages` and the predictions have the same joints, and x and y alone.

    Formats and systems have units of their own, so every prediction is laid about its own median
    neck and scaled to one shoulder width for a language, the median of its references' clips.
    Nothing of the reference of the same text is used.

    A prediction that lasts longer than `ENDLESS` times the longest reference of its language is cut
    to the longest of the others and marked as `cut_off`.

    Returns:
        Language -> clips in the order of its texts.

    Raises:
        DataError: no reference has a usable prediction.
    """
    known = {file_name(name) for each in languages.values() for name in each.names}
    predictions.unknown = sorted(set(predictions.clips) - known)
    predictions.flat = _in_x_and_y(predictions, languages)
    if predictions.flat:
        flatten_languages(languages)
        predictions.clips = {n: _flattened(clip) for n, clip in predictions.clips.items()}
    matched = {}
    reasons: Counter = Counter()
    for code, each in list(languages.items()):
        keep, clips = [], []
        widths = np.array([_shoulder_width(clip) for clip in each.references])
        unit = float(np.median(widths[widths > 0])) if (widths > 0).any() else 1.0
        for index, name in enumerate(each.names):
            clip = predictions.clips.get(file_name(name), "no prediction")
            if isinstance(clip, PoseClip):
                clip = _in_unit(clip, unit)
            if isinstance(clip, PoseClip):
                keep.append(index)
                clips.append(clip)
            else:
                each.excluded[clip.partition(" (")[0]] += 1
                reasons[clip] += 1
        if keep:
            each.keep(keep)
            matched[code] = _cut(clips, each, predictions)
        else:
            del languages[code]
    if not matched:
        told = "; ".join(f"{count} x {why}" for why, count in reasons.most_common(3))
        raise DataError(
            f"{predictions.path}: none of its {len(predictions.clips)} predictions can be scored: "
            f"{told}; ids look like {next(iter(predictions.clips))} there and "
            f"{min(known)} here"
        )
    return matched


def _cut(clips: list[PoseClip], each: Language, predictions: Predictions) -> list[PoseClip]:
    """Cuts the predictions that have no end, and marks them as cut off."""
    longest = max(len(clip) / clip.fps for clip in each.references)
    seconds = [len(clip) / clip.fps for clip in clips]
    each.cut_off = np.array([lasts > ENDLESS * longest for lasts in seconds])
    others = [lasts for lasts, cut in zip(seconds, each.cut_off) if not cut]
    kept = max(longest, *others, 0)
    for index in np.flatnonzero(each.cut_off):
        clip, end = clips[index], max(int(kept * clips[index].fps), 1)
        arrays = {"positions": clip.positions[:end], "confidence": clip.confidence[:end]}
        clips[index] = dataclasses.replace(clip, **arrays)
        predictions.seconds[file_name(each.names[index])] = seconds[index]
    return clips
