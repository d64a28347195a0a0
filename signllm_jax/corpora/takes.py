"""Lists the takes of a folder that has no labels beside the names of its folders."""

import os
from pathlib import Path

from signllm_jax.core.errors import DataError
from signllm_jax.corpora.entries import Entry


def takes_in(source: str | os.PathLike) -> list[Entry]:
    """Lists the takes of folders SIGN/TAKE/FRAME.npy, whose sign is their text.

    Raises DataError where there is none.
    """
    folders = {path.parent.relative_to(source) for path in Path(source).rglob("[!.]*.npy")}
    entries = [
        Entry(folder.as_posix(), folder.parts[0].replace("_", " "))
        for folder in sorted(folders)
        if len(folder.parts) > 1
    ]
    if not entries:
        raise DataError(f"{source}: no SIGN/TAKE/FRAME.npy in it: give --manifest")
    return entries
