"""Writes the clips of an evaluation in the formats that other evaluators read.

In `<folder>/<language>/produced` and `.../reference`: `<split>.skels` with `<split>.files`, `.text`
and, where there is gloss, `.gloss`, line by line, and `<split>.pt` in the layout of the SLRTP 2025
challenge. In `.../produced-pose` and `.../reference-pose`: `<id>.pose`.
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
    layout than openpose50 have no `.pt`, which the challenge defines for 3D only.

    Raises:
        OutputError: The folder cannot be written, or two ids are the same as names of files.
    """
    folder = Path(folder)
    for code, language in languages.items():
        for row, name in ROWS.items():
            clips = [
                clip if clip is not None and len(clip) else None for clip in language.rows[row]
            ]
            folders = folder / code / name, folder / code / f"{name}-pose"
            for path in folders:
                try:
                    path.mkdir(parents=True, exist_ok=True)
                except OSError as error:
                    raise OutputError(f"cannot write to {path}: {error.strerror}") from None
            _write(*folders, split, language, clips)
    return folder


def _write(folder: Path, poses: Path, split: str, language: Language, clips: list) -> None:
    names = [file_name(name) for name in language.names]
    if len(set(names)) < len(names):
        raise OutputError(f"{folder}: two ids are the same as names of files")
    listed = {"files": language.names, "text": language.texts}
    if any(language.glosses):
        listed["gloss"] = language.glosses
    for suffix, lines in listed.items():
        flat = "".join(" ".join(line.split()) + "\n" for line in lines)
        write_whole(folder / f"{split}.{suffix}", flat.encode())
    write_skels(folder / f"{split}.skels", clips)
    rows = [
        (name, clip, {"text": text, "gloss": gloss})
        for name, clip, text, gloss in zip(language.names, clips, language.texts, language.glosses)
        if clip is not None
    ]
    if all(clip.layout == OPENPOSE50.name for _, clip, _ in rows):  # the challenge has no other
        write_slrtp(folder / f"{split}.pt", rows)
    for name, clip, _ in rows:
        write_pose_file(poses / f"{file_name(name)}.pose", clip)
