"""Reads the poses of a corpus in any of its formats."""

import dataclasses

import numpy as np

from signllm_jax.core.errors import ConfigError, PoseFormatError
from signllm_jax.core.skeleton import OPENPOSE50
from signllm_jax.corpora.clip_jobs import Job
from signllm_jax.corpora.settings import Settings
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.frames import Repairs


def picture_size(text: str | None) -> tuple[int, int] | None:
    """Reads `WIDTHxHEIGHT`; raises ConfigError for anything else, None stays None."""
    if text is None:
        return None
    sides = text.lower().split("x")
    if len(sides) != 2 or not all(side.isdecimal() and 1 < int(side) < 1e5 for side in sides):
        raise ConfigError(f"--picture is WIDTHxHEIGHT in pixels, as 1280x720, not {text!r:.40}")
    return int(sides[0]), int(sides[1])


def read_pose(job: Job, settings: Settings, repairs: Repairs) -> PoseClip:
    """Reads the whole file of a job.

    Args:
        job: The clip's file.
        settings: The settings of its corpus.
        repairs: Counts what was put right.

    Returns:
        The clip as its reader gives it; the depth of MediaPipe, which the lift replaces, is 0.

    Raises:
        PoseFormatError: It cannot be read.
    """
    fps, picture = settings.fps, settings.picture
    if settings.format == "openpose":
        from signllm_jax.poses.openpose import read_openpose

        return read_openpose(job.path, fps, repairs, picture=picture, camera=job.camera)
    if settings.format == "dwpose":
        from signllm_jax.poses.dwpose import read_dwpose

        aspect = picture[0] / picture[1] if picture else None
        return read_dwpose(job.path, fps, aspect, repairs)
    if settings.format == "mediapipe":
        from signllm_jax.poses.mediapipe_arrays import read_mediapipe

        return read_mediapipe(job.path, fps, picture, repairs)
    if settings.format == "pose":
        from signllm_jax.poses.pose_file import read_pose_file

        layout = settings.layout
        clip = read_pose_file(
            job.path, repairs=repairs, layout=layout, fps=fps or None, picture=picture
        )
        if clip.layout != OPENPOSE50.name:
            return clip
        flat = clip.positions * np.array([1, 1, 0], np.float32)
        return dataclasses.replace(clip, positions=flat)
    from signllm_jax.poses.skels_lines import read_skels_line

    clip = read_skels_line(job.path, job.offset, job.entry.line + 1, fps, repairs=repairs)
    if clip is None:
        raise PoseFormatError(f"{job.path}: an empty line")
    return clip
