"""Prepares one clip of a corpus: reads, cleans, lifts and normalizes it, whatever its form.

`make_example` depends on the clip and the settings alone, so its bits are the same in any process
and in any order.
"""

import dataclasses
import functools
import os
import re
from collections.abc import Iterable

import numpy as np

from signllm_jax.core.errors import DataError, PoseFormatError
from signllm_jax.core.skeleton import OPENPOSE50
from signllm_jax.corpora.anonymize import anonymized
from signllm_jax.corpora.clip_jobs import Job
from signllm_jax.corpora.entries import Entry, is_place
from signllm_jax.corpora.pose_formats import read_pose
from signllm_jax.corpora.segments import segment_frames
from signllm_jax.corpora.settings import Settings
from signllm_jax.poses.clean import clean
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.frames import Repairs
from signllm_jax.poses.normalize import to_shoulder_widths
from signllm_jax.poses.plausible import Oddity, oddities, rate_oddities
from signllm_jax.text.prompts import make_prompt

VERSION = 3
"""Version of what is done to a clip; a new one makes `prepare` prepare every clip again."""
FARTHEST = 20.0  # shoulder widths from the neck; no signer reaches it
LEAST_HANDS = 0.1  # share of frames that show a hand, or the clip shows no signing
_MEMBER = re.compile(r"([^:]+\.(?:json|npz|npy)): (.*)")


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
        job: the clip's labels and file.
        settings: the settings of its corpus.
        repairs: counts what was put right; a lost clip adds nothing.

    Returns:
        Its example, see `make_strings`; and its clip at 25 frames per second, in shoulder widths
        about its median neck, rounded to float16.

    Raises:
        Lost: The clip cannot be prepared; the message is the reason.
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
    if max(hands_seen(clip).values()) < LEAST_HANDS:
        raise Lost(f"a hand in fewer than {LEAST_HANDS:.0%} of its frames")
    repairs.update(made)
    odd = (*oddities(clip, entry.text), *rate_oddities(fps))
    return make_strings(entry, settings, odd), clip


def make_strings(entry: Entry, settings: Settings, odd: Iterable[Oddity]) -> dict:
    """The strings of an example.

    Args:
        entry: The labels of its clip.
        settings: The settings of its corpus.
        odd: The oddities of the clip.

    Returns:
        `id text prompt gloss signer split`, and `odd` as pairs of kind and detail.
    """
    name = "_".join((settings.language, settings.source, entry.id))
    templates = settings.templates or None
    return {
        "id": name,
        "text": entry.text,
        "prompt": make_prompt(entry.text, settings.language, name, templates=templates),
        "gloss": entry.gloss,
        "signer": entry.signer,
        "split": entry.split,
        "odd": [list(oddity) for oddity in odd],
    }


def hands_seen(clip: PoseClip) -> dict[str, float]:
    """Share of frames that show the left and the right hand."""
    groups = clip.skeleton.groups
    hands = {side: clip.observed[:, list(groups[f"{side}_hand"])] for side in ("left", "right")}
    return {side: float(seen.any(axis=1).mean()) for side, seen in hands.items()}


def _reason(message: str, job: Job) -> Lost:
    """The reason why a clip is lost, without its files' names: the same for all of the kind."""
    for name in (job.path, os.path.basename(job.path), job.entry.id):
        message = message.removeprefix(f"{name}: ")
    member = _MEMBER.match(message.removeprefix(f"{job.path}{os.sep}"))
    return Lost(member[2], member[1]) if member else Lost(message)


def _made_clip(job: Job, settings: Settings, repairs: Repairs) -> tuple[PoseClip, float]:
    """The clip read, cleaned and lifted, and the frames per second that it was read with.

    The original lifts the keypoints as they are detected, and OpenPose's in pixels, on which its
    numbers depend; so its lift comes before cleaning. Ours comes after it and never sees an
    outlier.
    """
    name, reference = job.entry.id, settings.lift == "reference"
    if reference and settings.format == "openpose":
        from signllm_jax.poses.lift import lift_keypoints

        keypoints = reference_keypoints(job, settings, repairs)
        clip = lift_keypoints(keypoints, settings.fps, settings.lift, name)
    else:
        clip = _read_segment(job, settings, repairs)
        clip = _lifted(clip, settings, name) if reference else clip
    fps = clip.fps
    clip = clean(clip, repairs, name)
    if settings.anonymize:
        clip = anonymized(clip)
    clip = clip if reference else _lifted(clip, settings, name)
    return _one_scale(clip, settings, name), fps


def _lifted(clip: PoseClip, settings: Settings, name: str) -> PoseClip:
    """The clip with depth, but for a flat layout and 151-number `.skels`, which are 3D.

    MediaPipe's z is not used: its unit differs between files (pixels in some, picture widths in
    others), its origin differs between the body and the hands, and bones change their length with
    it. Lifted from x and y with confidence, all sources have depth of one kind.
    """
    is_3d = settings.format == "skels" and clip.layout == OPENPOSE50.name
    if is_3d or settings.layout != OPENPOSE50.name:
        return clip
    from signllm_jax.poses.lift import lift_clip

    return lift_clip(clip, settings.lift, name)


def reference_keypoints(job: Job, settings: Settings, repairs: Repairs) -> np.ndarray:
    """The pixels [T, 50, 3] of a clip in OpenPose's form; raises PoseFormatError."""
    from signllm_jax.poses.openpose import read_openpose_keypoints

    picture, camera = settings.picture, job.camera
    keypoints = read_openpose_keypoints(job.path, repairs, picture=picture, camera=camera)
    if not job.cut:
        return keypoints
    return keypoints[segment_frames(job.entry, len(keypoints), settings.fps, repairs)]


def _read_segment(job: Job, settings: Settings, repairs: Repairs) -> PoseClip:
    """The clip of a job, cut out of its file where it is a segment of it.

    The last file that was cut is kept in memory, since its segments mostly follow each other. What
    is repaired in a file is counted once, by its first segment.
    """
    if not job.cut:
        return read_pose(job, settings, repairs)
    whole = Entry("", "", line=job.entry.line)
    of_file = Job(whole, job.path, job.offset, job.stamp, camera=job.camera)
    clip, made = _read_file(of_file, settings)
    if job.first:
        repairs.update(made)
    rows = segment_frames(job.entry, len(clip), clip.fps, repairs)
    arrays = {name: getattr(clip, name)[rows].copy() for name in ("positions", "confidence")}
    return dataclasses.replace(clip, **arrays)


@functools.lru_cache(maxsize=1)
def _read_file(job: Job, settings: Settings) -> tuple[PoseClip, Repairs]:
    made = Repairs()
    return read_pose(job, settings, made), made


def _one_scale(clip: PoseClip, settings: Settings, name: str) -> PoseClip:
    """Puts a clip into shoulder widths about its median neck, in the precision it is stored in."""
    if clip.layout != settings.layout:
        raise PoseFormatError(f"{name}: a clip of {clip.layout}, not {settings.layout}")
    flat = clip.layout != OPENPOSE50.name
    positions = clip.positions[..., : 2 if flat else 3]
    positions = to_shoulder_widths(positions, clip.confidence, clip.layout, name)
    if flat:
        positions = np.concatenate([positions, clip.confidence[..., None]], axis=-1)
    if np.abs(positions).max() > FARTHEST:
        raise PoseFormatError(f"{name}: a joint is over {FARTHEST:g} shoulder widths away")
    positions, confidence = (
        array.astype(np.float16).astype(np.float32) for array in (positions, clip.confidence)
    )
    return PoseClip(positions, confidence, clip.fps, clip.layout)
