"""The formats that a corpus's poses may be in, and the reader of each."""

import dataclasses

import numpy as np

from signllm_jax.core.errors import ConfigError, PoseFormatError
from signllm_jax.core.skeleton import OPENPOSE50
from signllm_jax.corpora.clip_jobs import Job
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.frames import Repairs

FORMATS = ("openpose", "dwpose", "pose", "mediapipe", "skels")
WITHOUT_FPS = ("openpose", "mediapipe", "skels")
"""Formats that store no frames per second; of `dwpose` some files do."""
WITHOUT_FACE = ("openpose", "mediapipe")
"""Formats of which the face is not read."""


@dataclasses.dataclass(frozen=True)
class Source:
    """What a reader has to be told besides the file.

    Attributes:
        format: Of `FORMATS`.
        fps: Frames per second, instead of those that a file stores; 0 = those.
        layout: `openpose50`, or `dwpose128`.
        picture: Width and height in pixels, of coordinates that are parts of the picture.
    """

    format: str
    fps: float = 0.0
    layout: str = "openpose50"
    picture: tuple[int, int] | None = None


def picture_size(text: str | None) -> tuple[int, int] | None:
    """Reads `WIDTHxHEIGHT`; raises ConfigError for anything else, None stays None."""
    if text is None:
        return None
    sides = text.lower().split("x")
    if len(sides) != 2 or not all(side.isdecimal() and 1 < int(side) < 1e5 for side in sides):
        raise ConfigError(f"--picture is WIDTHxHEIGHT in pixels, as 1280x720, not {text!r:.40}")
    return int(sides[0]), int(sides[1])


def read_pose(job: Job, source: Source, repairs: Repairs) -> PoseClip:
    """Reads the whole file of a job.

    Args:
        job: Which.
        source: How.
        repairs: Counts what was put right.

    Returns:
        The clip as its reader gives it; what the lift makes anew, the depth of MediaPipe, is 0.

    Raises:
        PoseFormatError: It cannot be read.
    """
    if source.format == "openpose":
        from signllm_jax.poses.openpose import read_openpose

        return read_openpose(
            job.path, source.fps, repairs, picture=source.picture, camera=job.camera
        )
    if source.format == "dwpose":
        from signllm_jax.poses.dwpose import read_dwpose

        aspect = source.picture[0] / source.picture[1] if source.picture else None
        return read_dwpose(job.path, source.fps, aspect, repairs)
    if source.format == "mediapipe":
        from signllm_jax.poses.mediapipe_arrays import read_mediapipe

        return read_mediapipe(job.path, source.fps, source.picture, repairs)
    if source.format == "pose":
        from signllm_jax.poses.pose_file import read_pose_file

        clip = read_pose_file(
            job.path,
            repairs=repairs,
            layout=source.layout,
            fps=source.fps or None,
            picture=source.picture,
        )
        if clip.layout != OPENPOSE50.name:
            return clip
        flat = clip.positions * np.array([1, 1, 0], np.float32)
        return dataclasses.replace(clip, positions=flat)
    from signllm_jax.poses.skels_lines import read_skels_line

    clip = read_skels_line(job.path, job.offset, job.entry.line + 1, source.fps, repairs=repairs)
    if clip is None:
        raise PoseFormatError(f"{job.path}: an empty line")
    return clip
