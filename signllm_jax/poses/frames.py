"""What readers and writers share: numbered files, whole files, joints put right and counted."""

import collections
import os
import re
from collections.abc import Iterable

import numpy as np

from signllm_jax.core.errors import PoseFormatError
from signllm_jax.core.storage import read_at_most
from signllm_jax.poses.budget import BUDGET, Budget

Repairs = collections.Counter
"""What a reader put right, by name: `joints not finite`, `frames without a person` ..."""


def numbered_files(
    folder: str | os.PathLike, pattern: str, budget: Budget = BUDGET
) -> tuple[list[tuple[int, str]], int]:
    """Lists a folder's frame files in the order of their numbers; see `numbered_names`.

    Raises:
        PoseFormatError: no folder, and as `numbered_names`.
    """
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise PoseFormatError(f"{folder}: cannot be read: {error.strerror}") from None
    found, length = numbered_names(names, pattern, str(folder), budget)
    return [(frame, os.path.join(folder, name)) for frame, name in found], length


def numbered_names(
    names: Iterable[str], pattern: str, place: str, budget: Budget = BUDGET
) -> tuple[list[tuple[int, str]], int]:
    """Orders the names of frame files by their numbers.

    Args:
        names: of the files of one clip; others are left out.
        pattern: regular expression of a frame's name; its first group is the number.
        place: what to name in an error.
        budget: limits of a clip.

    Returns:
        (frame, name) pairs, frames counted from 0 at the lowest number, and the length in frames:
        a number without a file is a frame of its own.

    Raises:
        PoseFormatError: no such file, a number twice, or numbers too far apart.
    """
    found: dict[int, str] = {}
    for name in names:
        match = re.search(pattern, name)
        if not match or name.rpartition("/")[2].startswith("._"):  # macOS has one beside each
            continue
        # a number of thousands of digits is refused by the length check as any large one is
        number = int(match.group(1)[:18])
        if number in found:
            raise PoseFormatError(f"{place}: {found[number]} and {name} are the same frame")
        found[number] = name
    if not found:
        raise PoseFormatError(f"{place}: no frame files in it")
    first, last = min(found), max(found)
    budget.ask(f"{place}: from {first} to {last}", frames=last - first + 1)
    return [(number - first, found[number]) for number in sorted(found)], last - first + 1


def read_file(path: str | os.PathLike, limit: int) -> bytes:
    """Reads a regular file of at most `limit` bytes; raises PoseFormatError for any other."""
    try:
        content = read_at_most(path, limit)
    except OSError as error:
        raise PoseFormatError(f"{path}: cannot be read: {error.strerror}") from None
    if len(content) > limit:
        raise PoseFormatError(f"{path}: larger than {limit} bytes")
    return content


def clear_unusable(keypoints: np.ndarray, largest: float, repairs: Repairs) -> np.ndarray:
    """Makes joints with impossible numbers missing, and counts them.

    Args:
        keypoints: float [..., 3], x, y and confidence.
        largest: a coordinate beyond it, either way, is no position.
        repairs: `joints not finite` and `joints out of range` are added to it.

    Returns:
        float32 [..., 3]; a missing joint is (0, 0, 0).
    """
    keypoints = np.asarray(keypoints, np.float64)
    finite = np.all(np.isfinite(keypoints), axis=-1)
    sane = np.where(finite[..., None], keypoints, 0)
    near = np.all(np.abs(sane) <= largest, axis=-1)
    if not finite.all():
        repairs["joints not finite"] += int((~finite).sum())
    if not near.all():
        repairs["joints out of range"] += int((~near).sum())
    seen = near & (sane[..., 2] > 0)
    return np.where(seen[..., None], sane, 0).astype(np.float32)
