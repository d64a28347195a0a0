"""Writes a prepared source as Prompt2Sign has it: `.skels` with `.text`, `.files`, `.gloss`."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from signllm_jax.core.plain_files import write_whole
from signllm_jax.corpora.entries import SPLITS
from signllm_jax.corpora.outputs import check_outside
from signllm_jax.corpora.shards import Prepared
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.skels import write_skels


def export_skels(prepared: Prepared, folder: str | os.PathLike) -> list[str]:
    """Writes `<split>.skels` and the text files that are line-aligned with it.

    Args:
        prepared: the source; openpose50 becomes 151 numbers per frame (divided by 9), dwpose128
            385.
        folder: the output folder, made if it does not exist.

    Returns:
        The splits that were written; a split without a clip is not.

    Raises:
        OutputError: The folder cannot be written, or is the prepared source itself.
    """
    check_outside([folder], [prepared.folder])
    listed = [example for part in prepared.listed() for example in part["examples"]]
    written = []
    for split in SPLITS:
        if examples := [example for example in listed if example["split"] == split]:
            stem = Path(folder) / split
            write_labels(stem, examples)
            write_skels(stem.with_suffix(".skels"), _clips(prepared, split))
            written.append(split)
    return written


def write_labels(stem: Path, examples: Sequence[Mapping[str, str]]) -> None:
    """Writes `.files`, `.text` and `.gloss`, a line per example; raises OutputError."""
    for kind, key in {"files": "id", "text": "text", "gloss": "gloss"}.items():
        lines = "".join(f"{example[key]}\n" for example in examples)
        write_whole(stem.with_suffix(f".{kind}"), lines.encode())


def _clips(prepared: Prepared, split: str) -> Iterator[PoseClip]:
    for _, pose, confidence, fps in prepared.examples(split):
        pose, confidence = pose.astype(np.float32), confidence.astype(np.float32)
        yield PoseClip(pose, confidence, fps, prepared.layout)
