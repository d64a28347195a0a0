"""Writes the clips of an evaluation in the forms that other evaluators read.

In `<folder>/<language>/produced` and `.../reference`: `<split>.skels` with `<split>.files`, `.text`
and, where there is gloss, `.gloss`, line by line, and `<split>.pt` in the SLRTP 2025 challenge's
layout. In `.../produced-pose` and `.../reference-pose`: `<id>.pose`.
"""

import os
from pathlib import Path

from signllm_jax.core.errors import OutputError
from signllm_jax.core.plain_files import write_whole
from signllm_jax.core.skeleton import OPENPOSE50
from signllm_jax.eval.eval_set import Language
from signllm_jax.eval.predictions import file_name
from signllm_jax.eval.slrtp import write_slrtp
from signllm_jax.poses.pose_file import write_pose_file
from signllm_jax.poses.skels import write_skels

ROWS = {"produced": "produced", "ground_truth": "reference"}
"""Row of a report -> name of its folder."""


def export(folder: str | os.PathLike, split: str, languages: dict[str, Language]) -> Path:
    """Exports the productions and references of every language; returns the folder.

    A production without frames is an empty line, and has no tensor and no file. Clips of another
    layout than openpose50 have no `.pt`, which the challenge defines for 3D alone.

    Raises:
        OutputError: the folder cannot be written, or two ids are the same as names of files.
    """
    folder = Path(folder)
    for code, each in languages.items():
        for row, name in ROWS.items():
            clips = [clip if clip is not None and len(clip) else None for clip in each.rows[row]]
            folders = folder / code / name, folder / code / f"{name}-pose"
            for made in folders:
                try:
                    made.mkdir(parents=True, exist_ok=True)
                except OSError as error:
                    raise OutputError(f"cannot write to {made}: {error.strerror}") from None
            _write(*folders, split, each, clips)
    return folder


def _write(folder: Path, poses: Path, split: str, each: Language, clips: list) -> None:
    names = [file_name(name) for name in each.names]
    if len(set(names)) < len(names):
        raise OutputError(f"{folder}: two ids are the same as names of files")
    listed = {"files": each.names, "text": each.texts}
    if any(each.glosses):
        listed["gloss"] = each.glosses
    for suffix, lines in listed.items():
        flat = "".join(" ".join(line.split()) + "\n" for line in lines)
        write_whole(folder / f"{split}.{suffix}", flat.encode())
    write_skels(folder / f"{split}.skels", clips)
    texts = [{"text": text, "gloss": gloss} for text, gloss in zip(each.texts, each.glosses)]
    there = [i for i, clip in enumerate(clips) if clip is not None]
    if all(clips[i].layout == OPENPOSE50.name for i in there):  # the challenge has no other
        write_slrtp(folder / f"{split}.pt", [(each.names[i], clips[i], texts[i]) for i in there])
    for i in there:
        write_pose_file(poses / f"{names[i]}.pose", clips[i])
