"""Reads another system's predictions and matches them to the references by id.

`FILE.skels` has its ids in `FILE.files` beside it, line by line; `FILE.pt` contains them. A folder
holds such files, or one file per clip whose name without its suffix is the id (`.pose .npz .skels
.json .zip`), or one folder of OpenPose frames per clip, at any depth. Ids are those of the data set
(`asl_how2sign_CLIP`) or of the corpus (`CLIP`; see `prediction_ids`).
"""

import dataclasses
import functools
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

_NAMED = 5  # number of unknown ids that a report lists
_FRAME = "_keypoints.json"  # suffix of the names of OpenPose's files
ENDLESS = 2.0  # a prediction that lasts longer than this times the longest reference had no end


@dataclasses.dataclass
class Predictions:
    """Clips of another system.

    Attributes:
        path: Path of the predictions.
        clips: `file_name` of the id -> the clip, or the reason why there is none.
        repairs: Repairs that the readers made.
        unknown: Ids of predictions that no reference has, after `match`.
        flat: Whether both sides are compared in x and y, after `match`.
        seconds: `file_name` of the id -> duration of a prediction without an end, after `match`.
    """

    path: str
    clips: dict[str, PoseClip | str]
    repairs: Repairs
    unknown: list[str] = dataclasses.field(default_factory=list)
    flat: bool = False
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)

    def describe(self) -> dict:
        """The section of report.json about them."""
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
    """Reads every prediction under `path`; for one that cannot be read the reason is kept.

    Args:
        path: A `.skels` or `.pt` file or a folder.
        fps: Id -> frames per second of the reference, for formats that do not store them.

    Raises:
        DataError: There are no predictions, an id occurs twice, or `.skels` and `.files` have
            different lengths.
    """
    path = Path(path)
    rates = {file_name(name): rate for name, rate in fps.items()}
    if len(rates) < len(fps):
        raise DataError(f"{path}: two references have ids that are the same as names of files")
    predictions, aliases = Predictions(os.fspath(path), {}, Repairs()), aliases_of(fps)
    if path.is_dir():
        candidates = _candidates(path)
    elif path.is_file() and path.suffix.lower() in (".skels", ".pt"):
        candidates = [path]
    else:
        raise DataError(f"{path}: predictions are a .skels file, a .pt file or a folder")
    for file in candidates:
        for clip_name, read in _clips(file, predictions.repairs, alone=path.is_file()):
            name = file_name(clip_name)
            name = aliases.get(name) or aliases.get(file_name(clip_id(clip_name)), name)
            if name in predictions.clips:
                raise DataError(f"{file}: a second prediction of {name}")
            predictions.clips[name] = _checked(read, rates.get(name, 25), predictions.repairs)
    if not predictions.clips:
        raise DataError(f"{path}: no predictions in it ({' '.join(files.SUFFIXES)} .pt)")
    return predictions


def _candidates(folder: Path) -> list[Path]:
    """The files of clips below a folder, and the folders of OpenPose's frames."""
    paths = [path for path in folder.rglob("*") if not path.name.startswith("._")]
    frames = {path for path in paths if path.name.endswith(_FRAME)}
    clips = {path for path in paths if path.suffix.lower() in (*files.SUFFIXES, ".pt")} - frames
    # the same clips are exported as .skels and as .pt into one folder
    twice = {p for p in clips if p.suffix.lower() == ".pt" and p.with_suffix(".skels").exists()}
    return sorted(clips - twice | {path.parent for path in frames})


def _clips(
    path: Path, repairs: Repairs, alone: bool
) -> Iterator[tuple[str, Callable[[float], PoseClip | None]]]:
    """The id of every clip of a file, and a function that reads the clip at a frame rate."""
    listed = path.with_suffix(".files")
    if path.suffix.lower() == ".pt":
        for name, points in read_slrtp(path):
            source = f"{path}: {name:.80}"
            yield name, lambda rate, points=points, source=source: to_clip(points, source)
        return
    if path.is_dir():
        yield path.name, lambda rate: read_openpose(path, rate, repairs)
        return
    if path.suffix.lower() != ".skels" or not (alone or listed.exists()):
        # a .pose file does not give the unit of its depth
        kept = without_depth if path.suffix.lower() == ".pose" else lambda clip: clip
        name = path.stem.removesuffix(".json")
        yield name, lambda rate: kept(files.read_clip(path, rate, repairs))
        return
    try:
        names = read_regular(listed).decode("utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise DataError(f"{listed}: the ids of {path.name} cannot be read: {error}") from None
    count = 0
    for count, line in enumerate(skels.lines(path), 1):
        if count <= len(names):
            source = f"{path}: line {count}"

            def read(rate, line=line, source=source):
                return skels.read_line(line, rate, None, source, repairs)

            yield names[count - 1].strip(), read
    if count != len(names):
        raise DataError(f"{path}: {count} lines, but {len(names)} ids in {listed.name}")


def _checked(read, fps: float, repairs: Repairs) -> PoseClip | str:
    """The clip at the rate of its reference, or the reason why it cannot be scored."""
    try:
        clip = read(float(fps))
    except PoseFormatError as error:
        return f"prediction unreadable ({error!s:.200})"
    if clip is None:
        return "prediction empty"
    if not clip.observed.any():
        return "prediction without a joint"
    resampled = at_rate(clip, float(fps))
    if resampled is not clip:
        repairs["clips resampled to the rate of their reference"] += 1
    return resampled


def _shoulder_width(clip: PoseClip) -> float:
    """The median distance of the shoulders in all three axes, NaN where they are never seen."""
    right, left = map(clip.skeleton.index, ("right_shoulder", "left_shoulder"))
    both = clip.observed[:, right] & clip.observed[:, left]
    apart = np.linalg.norm(clip.positions[both, right] - clip.positions[both, left], axis=-1)
    return float(np.median(apart)) if len(apart) else float("nan")


def _in_unit(clip: PoseClip, unit: float) -> PoseClip:
    """The clip about its median neck, its shoulders `unit` wide."""
    positions = to_shoulder_widths(clip.positions, clip.confidence, clip.layout, "clip")
    return dataclasses.replace(clip, positions=(unit * positions).astype(np.float32))


def _changed(clip: PoseClip | str, change: Callable[[PoseClip], PoseClip]) -> PoseClip | str:
    """The changed clip; a reason where there is none, or no shoulders to measure it by."""
    try:
        return change(clip) if isinstance(clip, PoseClip) else clip
    except PoseFormatError as error:
        return f"prediction without shoulders ({error})"


def _in_x_and_y(predictions: Predictions, languages: dict[str, Language]) -> bool:
    """Whether a prediction of a reference has no depth, or other joints than the reference."""
    pairs = (
        (predictions.clips.get(file_name(name)), reference)
        for language in languages.values()
        for name, reference in zip(language.names, language.references)
    )
    return any(
        clip.layout != reference.layout or (reference.layout == OPENPOSE50.name and is_flat(clip))
        for clip, reference in pairs
        if isinstance(clip, PoseClip)
    )


def match(predictions: Predictions, languages: dict[str, Language]) -> dict[str, list[PoseClip]]:
    """Gives every reference its prediction.

    References without a usable prediction are removed from `languages`, which is changed, and
    counted as excluded by the reason; languages without any are removed. All rows of the report
    then have the same clips.

    Where predictions have no depth, or the joints of another layout, both sides are flattened:
    everything in `languages` and the predictions have the same joints, in x and y only.

    Formats and systems have units of their own. So every prediction is centered on its own median
    neck and scaled to one shoulder width per language, the median of its references' clips.
    Nothing of the reference of the same text is used.

    A prediction that lasts longer than `ENDLESS` times the longest reference of its language is cut
    to the longest of the others and marked as `cut_off`.

    Returns:
        Language -> clips in the order of its texts.

    Raises:
        DataError: No reference has a usable prediction.
    """
    known = {file_name(name) for language in languages.values() for name in language.names}
    predictions.unknown = sorted(set(predictions.clips) - known)
    predictions.flat = _in_x_and_y(predictions, languages)
    if predictions.flat:
        flatten_languages(languages)
        predictions.clips = {n: _changed(clip, flatten) for n, clip in predictions.clips.items()}
    matched = {}
    reasons: Counter = Counter()
    for code, language in list(languages.items()):
        clips: dict[int, PoseClip] = {}
        widths = np.array([_shoulder_width(clip) for clip in language.references])
        unit = float(np.median(widths[widths > 0])) if (widths > 0).any() else 1.0
        for index, name in enumerate(language.names):
            clip = predictions.clips.get(file_name(name), "no prediction")
            clip = _changed(clip, functools.partial(_in_unit, unit=unit))
            if isinstance(clip, PoseClip):
                clips[index] = clip
            else:
                language.excluded[clip.partition(" (")[0]] += 1
                reasons[clip] += 1
        if clips:
            language.keep(list(clips))
            matched[code] = _cut(list(clips.values()), language, predictions)
        else:
            del languages[code]
    if not matched:
        why = "; ".join(f"{count} x {reason}" for reason, count in reasons.most_common(3))
        raise DataError(
            f"{predictions.path}: none of its {len(predictions.clips)} predictions can be scored: "
            f"{why}; ids look like {next(iter(predictions.clips))} there and {min(known)} here"
        )
    return matched


def _cut(clips: list[PoseClip], language: Language, predictions: Predictions) -> list[PoseClip]:
    """Cuts the predictions that have no end, and marks them as cut off."""
    longest = max(clip.seconds for clip in language.references)
    language.cut_off = np.array([clip.seconds > ENDLESS * longest for clip in clips])
    kept = max([longest, *(c.seconds for c, cut in zip(clips, language.cut_off) if not cut)])
    for index in np.flatnonzero(language.cut_off):
        clip = clips[index]
        predictions.seconds[file_name(language.names[index])] = clip.seconds
        end = max(int(kept * clip.fps), 1)
        arrays = {"positions": clip.positions[:end], "confidence": clip.confidence[:end]}
        clips[index] = dataclasses.replace(clip, **arrays)
    return clips
