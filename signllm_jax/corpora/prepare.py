"""Prepares one clip of a corpus: reads, cleans, lifts and normalizes it, whatever its form.

`make_example` depends on the clip and the settings alone: whoever calls it, in whatever order, gets
the same bits.
"""

import dataclasses
import functools
import os
import re

import numpy as np

from signllm_jax.core.errors import ConfigError, DataError, PoseFormatError
from signllm_jax.core.skeleton import OPENPOSE50, get_layout
from signllm_jax.corpora.anonymize import anonymized, check_anonymizer
from signllm_jax.corpora.clip_jobs import Job
from signllm_jax.corpora.entries import Entry, is_place
from signllm_jax.corpora.pose_formats import (
    FORMATS,
    WITHOUT_FACE,
    WITHOUT_FPS,
    Source,
    read_pose,
)
from signllm_jax.corpora.segments import segment_frames
from signllm_jax.poses.clean import clean
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.frames import Repairs
from signllm_jax.poses.normalize import to_shoulder_widths
from signllm_jax.poses.plausible import oddities, rate_oddities
from signllm_jax.text.language_names import known_code
from signllm_jax.text.prompts import make_prompt

VERSION = 3
"""Of what is done to a clip; a change makes everything be prepared again."""
FARTHEST = 20.0  # shoulder widths from the neck; no signer reaches it
LEAST_HANDS = 0.1  # share of frames that show a hand, or the clip shows no signing
_MEMBER = re.compile(r"([^:]+\.(?:json|npz|npy)): (.*)")


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a source is prepared.

    Attributes:
        language: code.
        source: name of the corpus, part of the prepared data set's name.
        format: of `pose_formats.FORMATS`.
        fps: frames per second, instead of those that a file stores; 0 = those.
        lift: `best` or `reference`.
        layout: `openpose50` (3D), or `dwpose128` (2D with the face, from DWPose only).
        templates: of prompts, or none for our own.
        picture: width and height in pixels, of coordinates that are parts of the picture.
        anonymize: put an average signer's body in the place of the signer's own.
    """

    language: str
    source: str
    format: str
    fps: float = 0.0
    lift: str = "best"
    layout: str = "openpose50"
    templates: tuple[str, ...] = ()
    picture: tuple[int, int] | None = None
    anonymize: bool = False

    def __post_init__(self):
        object.__setattr__(self, "language", known_code(self.language))
        get_layout(self.layout)
        if self.format not in FORMATS:
            raise ConfigError(f"unknown format {self.format!r}: known are {', '.join(FORMATS)}")
        if self.anonymize:
            check_anonymizer()
            if self.lift == "reference" or self.layout != OPENPOSE50.name:
                raise ConfigError("--anonymize works with --lift=best and the layout openpose50")
        if not self.source.replace("-", "").isalnum():
            raise ConfigError(f"a source is named by letters, digits and -, not {self.source!r}")
        if self.format in WITHOUT_FPS and not self.fps:
            raise ConfigError(
                f"{self.format} does not store frames per second: give --fps, "
                "or the --format of the files where it is another"
            )
        if not 0 <= self.fps < 1000:
            raise ConfigError(f"--fps is above 0 and below 1000, not {self.fps:g}")
        if self.format == "mediapipe" and self.picture is None:
            raise ConfigError("mediapipe does not store the picture's size: give --picture")
        if self.format == "skels" and self.picture is not None:
            raise ConfigError("--picture says nothing about skels, which have no picture")
        if self.layout != OPENPOSE50.name and self.format in WITHOUT_FACE:
            raise ConfigError(f"{self.format} is not read as {self.layout}")
        if self.layout != OPENPOSE50.name and self.lift != "best":
            raise ConfigError(f"--lift has no meaning for {self.layout}, which stays flat")

    @property
    def reading(self) -> Source:
        """What its reader has to be told."""
        return Source(self.format, self.fps, self.layout, self.picture)


class Lost(DataError):
    """A clip cannot be prepared; the message is the reason without the clip's name.

    Attributes:
        member: Name of the file within the clip that is at fault, or nothing.
    """

    def __init__(self, reason: str, member: str = ""):
        super().__init__(reason)
        self.member = member


def make_example(job: Job, settings: Settings, repairs: Repairs) -> tuple[dict, PoseClip]:
    """Prepares a clip.

    Args:
        job: which.
        settings: how.
        repairs: counts what was put right; a lost clip adds nothing.

    Returns:
        The strings `id text prompt gloss signer split` of its example with `odd`, what is odd about
        the clip by itself, as pairs of kind and detail; and its clip at 25 frames per second, in
        shoulder widths about its median neck, as float16 numbers can say it.

    Raises:
        Lost: and why.
    """
    entry = job.entry
    if not entry.text:
        raise Lost("no text")
    if not job.path:
        lacking = job.lacking or "no pose file"
        raise Lost(lacking if is_place(entry.id) else "an id that is no name of a file")
    made = Repairs()
    try:
        clip, fps = _made_clip(job, settings, made)
    except PoseFormatError as error:
        raise _reason(str(error), job) from None
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
        "odd": [list(each) for each in (*oddities(clip, entry.text), *rate_oddities(fps))],
    }
    return example, clip


def _reason(message: str, job: Job) -> Lost:
    """Why a clip is lost, in the same words for all clips of the kind: without its files' names."""
    for name in (job.path, os.path.basename(job.path), job.entry.id):
        message = message.removeprefix(f"{name}: ")
    found = _MEMBER.match(message.removeprefix(f"{job.path}{os.sep}"))
    return Lost(found[2], found[1]) if found else Lost(message)


def _made_clip(job: Job, settings: Settings, repairs: Repairs) -> tuple[PoseClip, float]:
    """The clip read, cleaned and lifted, and the frames per second that it was read with.

    The original lifts the keypoints as they are found, so its lift comes before cleaning; ours
    comes after it and never sees an outlier.
    """
    name = job.entry.id
    if settings.lift == "reference" and settings.layout == OPENPOSE50.name:
        lifted = _lifted(job, settings, repairs)
        return _one_scale(clean(lifted, repairs, name), settings, name), lifted.fps
    read = _read_segment(job, settings, repairs)
    clip = clean(read, repairs, name)
    if settings.anonymize:
        clip = anonymized(clip)
    if settings.layout == OPENPOSE50.name and is_lifted(settings.format, clip):
        from signllm_jax.poses.lift import lift_clip

        clip = lift_clip(clip, settings.lift, name)
    return _one_scale(clip, settings, name), read.fps


def _lifted(job: Job, settings: Settings, repairs: Repairs) -> PoseClip:
    """The clip as the original lifts it: OpenPose from pixels, which its numbers depend on."""
    from signllm_jax.poses import lift

    if settings.format == "openpose":
        keypoints = reference_keypoints(job, settings, repairs)
        return lift.lift_keypoints(keypoints, settings.fps, settings.lift, job.entry.id)
    clip = _read_segment(job, settings, repairs)
    if not is_lifted(settings.format, clip):
        return clip
    return lift.lift_clip(clip, settings.lift, job.entry.id)


def reference_keypoints(job: Job, settings: Settings, repairs: Repairs) -> np.ndarray:
    """The pixels [T, 50, 3] of a clip in OpenPose's form; raises PoseFormatError."""
    from signllm_jax.poses.openpose import read_openpose_keypoints

    keypoints = read_openpose_keypoints(
        job.path, repairs, picture=settings.picture, camera=job.camera
    )
    if not job.cut:
        return keypoints
    return keypoints[segment_frames(job.entry, len(keypoints), settings.fps, repairs)]


def _read_segment(job: Job, settings: Settings, repairs: Repairs) -> PoseClip:
    """The clip of a job, cut out of its file where it is a segment of it.

    The last file that was cut is kept, for its segments mostly follow each other. What is repaired
    in a file is counted once, by its first segment.
    """
    if not job.cut:
        return read_pose(job, settings.reading, repairs)
    of_file = Job(
        Entry("", "", line=job.entry.line), job.path, job.offset, job.stamp, camera=job.camera
    )
    clip, made = _read_file(of_file, settings.reading)
    if job.first:
        repairs.update(made)
    rows = segment_frames(job.entry, len(clip), clip.fps, repairs)
    arrays = {name: getattr(clip, name)[rows].copy() for name in ("positions", "confidence")}
    return dataclasses.replace(clip, **arrays)


@functools.lru_cache(maxsize=1)
def _read_file(job: Job, source: Source) -> tuple[PoseClip, Repairs]:
    made = Repairs()
    return read_pose(job, source, made), made


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
