"""Lists the takes of a folder whose only labels are the names of its folders."""

import os
from pathlib import Path

from signllm_jax.core.errors import DataError, PoseFormatError
from signllm_jax.corpora.entries import Entry
from signllm_jax.poses.npz import load_npy


def takes_in(source: str | os.PathLike) -> list[Entry]:
    """Lists the takes SIGN/TAKE/FRAME.npy and SIGN/TAKE.npy, whose sign is their text.

    Raises DataError where there is no take.
    """
    names = set()
    for path in Path(source).rglob("[!.]*.npy"):
        name = path.relative_to(source)
        if len(name.parts) > 2:
            names.add(name.parent)
        elif len(name.parts) == 2 and _is_take(path):
            names.add(name.with_suffix(""))
    entries = [Entry(name.as_posix(), name.parts[0].replace("_", " ")) for name in sorted(names)]
    if not entries:
        raise DataError(f"{source}: no SIGN/TAKE/FRAME.npy or SIGN/TAKE.npy in it: give --manifest")
    return entries


def _is_take(path: Path) -> bool:
    """Whether a file holds all frames of a take; an unreadable one counts as a lost take."""
    try:
        return load_npy(path).ndim > 1
    except PoseFormatError:
        return True
