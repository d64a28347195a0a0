"""Prepares one clip of a corpus: reads, cleans, lifts and normalises it, whatever its form.

`make_example` depends on the clip and the settings alone: whoever calls it, in whatever order, gets
the same bits.
"""

import dataclasses
import os

import numpy as np

from signllm_jax.core.errors import ConfigError, DataError, PoseFormatError
from signllm_jax.core.languages import get_language
from signllm_jax.core.skeleton import OPENPOSE50, get_layout
from signllm_jax.corpora.clip_jobs import Job, is_place
from signllm_jax.poses.clean import clean
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.frames import Repairs
from signllm_jax.poses.normalize import to_shoulder_widths
from signllm_jax.text.prompts import make_prompt

FORMATS = ("openpose", "dwpose", "pose", "skels")
VERSION = 2
"""Of what is done to a clip; a change makes everything be prepared again."""
_WITHOUT_FPS = ("openpose", "dwpose", "skels")
FARTHEST = 20.0  # shoulder widths from the neck; no signer reaches it
LEAST_HANDS = 0.1  # share of frames that show a hand, or the clip shows no signing


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a source is prepared.

    Attributes:
        language: code.
        source: name of the corpus, part of the prepared data set's name.
        format: `openpose`, `dwpose`, `pose` or `skels`.
        fps: frames per second of formats that do not store them.
        lift: `best` or `reference`.
        layout: `openpose50` (3D), or `dwpose128` (2D with the face, from DWPose only).
        templates: of prompts, or none for our own.
    """

    language: str
    source: str
    format: str
    fps: float = 0.0
    lift: str = "best"
    layout: str = "openpose50"
    templates: tuple[str, ...] = ()

    def __post_init__(self):
        get_language(self.language)
        get_layout(self.layout)
        if self.format not in FORMATS:
            raise ConfigError(f"unknown format {self.format!r}: known are {', '.join(FORMATS)}")
        if not self.source.replace("-", "").isalnum():
            raise ConfigError(f"a source is named by letters, digits and -, not {self.source!r}")
        if self.format in _WITHOUT_FPS and not 0 < self.fps < 1000:
            raise ConfigError(f"{self.format} does not store frames per second: give --fps")
        if self.layout != OPENPOSE50.name and self.format == "openpose":
            raise ConfigError(f"{self.format} is not read as {self.layout}")


class Lost(DataError):
    """A clip cannot be prepared; the message is the reason without the clip's name."""


def make_example(job: Job, settings: Settings, repairs: Repairs) -> tuple[dict, PoseClip]:
    """Prepares a clip.

    Args:
        job: which.
        settings: how.
        repairs: counts what was put right; a lost clip adds nothing.

    Returns:
        The strings `id text prompt gloss signer split` of its example, and its clip at 25 frames
        per second, in shoulder widths about its median neck, as float16 numbers can say it.

    Raises:
        Lost: and why.
    """
    entry = job.entry
    if not entry.text:
        raise Lost("no text")
    if not job.path:
        raise Lost("no pose file" if is_place(entry.id) else "an id that is no name of a file")
    made = Repairs()
    try:
        clip = _made_clip(job, settings, made)
    except PoseFormatError as error:
        reason = str(error)
        for name in (job.path, os.path.basename(job.path), entry.id):
            reason = reason.removeprefix(f"{name}: ")
        raise Lost(reason) from None
    hands = [list(joints) for name, joints in clip.skeleton.groups.items() if "hand" in name]
    shown = np.mean([clip.observed[:, joints].any(axis=1) for joints in hands], axis=1)
    if shown.max() < LEAST_HANDS:
        raise Lost(f"a hand in fewer than {LEAST_HANDS:.0%} of its frames")
    repairs.update(made)
    name = "_".join((settings.language, settings.source, entry.id))
    example = {
        "id": name,
        "text": entry.text,
        "prompt": make_prompt(
            entry.text, settings.language, name, templates=settings.templates or None
        ),
        "gloss": entry.gloss,
        "signer": entry.signer,
        "split": entry.split,
    }
    return example, clip


def _made_clip(job: Job, settings: Settings, repairs: Repairs) -> PoseClip:
    """The clip read, cleaned and lifted.

    The original lifts the keypoints as they are found, so its lift comes before cleaning; ours
    comes after it and never sees an outlier.
    """
    name = job.entry.id
    if settings.lift == "reference" and settings.layout == OPENPOSE50.name:
        return _one_scale(clean(_lifted(job, settings, repairs), repairs, name), settings, name)
    clip = clean(_read(job, settings, repairs), repairs, name)
    if settings.layout == OPENPOSE50.name and is_lifted(settings.format, clip):
        from signllm_jax.poses.lift import lift_clip

        clip = lift_clip(clip, settings.lift, name)
    return _one_scale(clip, settings, name)


def _lifted(job: Job, settings: Settings, repairs: Repairs) -> PoseClip:
    """The clip as the original lifts it: OpenPose from pixels, which its numbers depend on."""
    from signllm_jax.poses import lift, openpose

    if settings.format == "openpose":
        keypoints = openpose.read_openpose_keypoints(job.path, repairs)
        return lift.lift_keypoints(keypoints, settings.fps, settings.lift, job.entry.id)
    clip = _read(job, settings, repairs)
    if not is_lifted(settings.format, clip):
        return clip
    return lift.lift_clip(clip, settings.lift, job.entry.id)


def _read(job: Job, settings: Settings, repairs: Repairs) -> PoseClip:
    """The clip as its reader gives it."""
    if settings.format == "openpose":
        from signllm_jax.poses.openpose import read_openpose

        return read_openpose(job.path, settings.fps, repairs)
    if settings.format == "dwpose":
        from signllm_jax.poses.dwpose import read_dwpose

        return read_dwpose(job.path, settings.fps, repairs=repairs)
    if settings.format == "pose":
        from signllm_jax.poses.pose_file import read_pose_file

        clip = read_pose_file(job.path, repairs=repairs, layout=settings.layout)
        if clip.layout != OPENPOSE50.name:
            return clip
        return dataclasses.replace(clip, positions=clip.positions * np.float32([1, 1, 0]))
    from signllm_jax.poses.skels_lines import read_skels_line

    clip = read_skels_line(job.path, job.offset, job.entry.line + 1, settings.fps, repairs=repairs)
    if clip is None:
        raise Lost("an empty line")
    return clip


def _one_scale(clip: PoseClip, settings: Settings, place: str) -> PoseClip:
    """Puts a clip into shoulder widths about its median neck, in the precision it is stored in."""
    if clip.layout != settings.layout:
        raise PoseFormatError(f"{place}: a clip of {clip.layout}, not {settings.layout}")
    flat = clip.layout != OPENPOSE50.name
    positions = clip.positions[..., : 2 if flat else 3]
    positions = to_shoulder_widths(positions, clip.confidence, clip.layout, place)
    if flat:
        positions = np.concatenate([positions, clip.confidence[..., None]], axis=-1)
    if np.abs(positions).max() > FARTHEST:
        raise PoseFormatError(f"{place}: a joint is over {FARTHEST:g} shoulder widths away")
    positions, confidence = (
        array.astype(np.float16).astype(np.float32) for array in (positions, clip.confidence)
    )
    return PoseClip(positions, confidence, clip.fps, clip.layout)


def is_lifted(form: str, clip: PoseClip) -> bool:
    """Whether a clip's depth is made: all formats but 151-number `.skels`, which is 3D.

    MediaPipe's z is not used: its unit differs between files (pixels in some, picture widths in
    others), it is the body's and the hands' in different ones, and bones change their length with
    it. Lifted from x and y with confidence, all sources have depth of one kind.
    """
    return form != "skels" or clip.layout != OPENPOSE50.name
