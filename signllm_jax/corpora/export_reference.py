"""Writes the original's own numbers: `.skels` of the reference lift, without any cleaning."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from signllm_jax.core.errors import ConfigError, OutputError
from signllm_jax.core.plain_files import replacing
from signllm_jax.core.skeleton import OPENPOSE50
from signllm_jax.corpora.clip_jobs import Job
from signllm_jax.corpora.export_skels import write_labels
from signllm_jax.corpora.prepare import Settings, reference_keypoints
from signllm_jax.poses.frames import Repairs
from signllm_jax.poses.skels import skels_line

SCALE = 9  # what the original divides its positions by


def check_reference(settings: Settings, path: str | os.PathLike) -> None:
    """Refuses settings that the original has no numbers for; raises ConfigError or OutputError."""
    wanted = {"format": "openpose", "lift": "reference", "layout": OPENPOSE50.name}
    for name, value in wanted.items():
        if getattr(settings, name) != value:
            raise ConfigError(f"--export_skels needs --{name}={value}: it writes what that makes")
    if Path(path).suffix != ".skels":
        raise OutputError(f"{path}: the name of the file must end in .skels")


def export_reference(
    jobs: Sequence[Job], settings: Settings, path: str | os.PathLike, prepared: set[str]
) -> int:
    """Writes a line with 151 numbers per frame for each prepared clip, in the order of the jobs.

    As in the original, the keypoints are lifted as they are detected, and a frame without a nose is
    left out, which shifts time; nothing is cleaned, resampled or trimmed. `.files`, `.text` and
    `.gloss` beside it are line-aligned.

    Args:
        jobs: Jobs of the corpus.
        settings: Settings of the corpus, with the reference lift.
        path: The file, ending in `.skels`.
        prepared: Ids of the clips that were prepared.

    Returns:
        The number of lines.

    Raises:
        OutputError: A file cannot be written.
    """
    from signllm_jax.poses.lift import lift_reference_positions

    path = Path(path)
    exported = [job for job in jobs if job.entry.id in prepared]
    write_labels(path, [dataclasses.asdict(job.entry) for job in exported])
    with replacing(path) as part, open(part, "w", encoding="ascii") as file:
        for job in exported:
            keypoints = reference_keypoints(job, settings, Repairs())
            keypoints = keypoints[keypoints[:, 0, 0] != 0].astype(np.float32)
            file.write(f"{skels_line(lift_reference_positions(keypoints) / SCALE)}\n")
    return len(exported)
