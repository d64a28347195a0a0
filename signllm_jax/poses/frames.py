"""What readers and writers share: numbered files, whole files, joints put right and counted."""

import collections
import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import SupportsInt

import numpy as np

from signllm_jax.core.errors import PoseFormatError
from signllm_jax.core.storage import read_at_most
from signllm_jax.poses.budget import BUDGET, Budget

Repairs = collections.Counter
"""Counts of the repairs of a reader, by name: `joints not finite`, `frames without a person` ..."""


def count_repairs(repairs: Repairs, counts: Mapping[str, SupportsInt]) -> None:
    """Adds the counts to the repairs; a count of 0 makes no entry."""
    repairs.update({name: int(count) for name, count in counts.items() if count})


@contextlib.contextmanager
def readable(path: object) -> Iterator[None]:
    """Raises every OSError of the context as a PoseFormatError that names the path."""
    try:
        yield
    except OSError as error:
        raise PoseFormatError(f"{path}: cannot be read: {error.strerror or error}") from None


def reason(error: Exception) -> str:
    """The message of a library's error in one line, or its type where it has no message."""
    return (" ".join(str(error).split()) or type(error).__name__)[:200]


def numbered_files(
    folder: str | os.PathLike, pattern: str, budget: Budget = BUDGET
) -> tuple[list[tuple[int, str]], int]:
    """Lists a folder's frame files in the order of their numbers; see `numbered_names`.

    Raises:
        PoseFormatError: the folder cannot be read, and as `numbered_names`.
    """
    with readable(folder):
        names = sorted(os.listdir(folder))
    numbered, length = numbered_names(names, pattern, str(folder), budget)
    return [(frame, os.path.join(folder, name)) for frame, name in numbered], length


def numbered_names(
    names: Iterable[str], pattern: str, source: str, budget: Budget = BUDGET
) -> tuple[list[tuple[int, str]], int]:
    """Orders the names of frame files by their numbers.

    Args:
        names: file names of one clip; names that do not match the pattern are left out.
        pattern: regular expression of a frame's name; its first group is the number.
        source: name of the folder or archive, for error messages.
        budget: limits of a clip.

    Returns:
        (frame, name) pairs, frames counted from 0 at the lowest number, and the length in frames:
        a number without a file still counts as a frame.

    Raises:
        PoseFormatError: no such file, a number twice, or numbers too far apart.
    """
    name_of: dict[int, str] = {}
    for name in names:
        match = re.search(pattern, name)
        # macOS writes a file `._NAME` beside every file
        if not match or name.rpartition("/")[2].startswith("._"):
            continue
        # a number of thousands of digits is refused by the length check as any large one is
        number = int(match.group(1)[:18])
        if number in name_of:
            raise PoseFormatError(f"{source}: {name_of[number]} and {name} are the same frame")
        name_of[number] = name
    if not name_of:
        raise PoseFormatError(f"{source}: no frame files in it")
    first, last = min(name_of), max(name_of)
    budget.ask(f"{source}: from {first} to {last}", frames=last - first + 1)
    return [(number - first, name_of[number]) for number in sorted(name_of)], last - first + 1


def read_file(path: str | os.PathLike, limit: int) -> bytes:
    """Reads a regular file of at most `limit` bytes; raises PoseFormatError for any other."""
    with readable(path):
        content = read_at_most(path, limit)
    if len(content) > limit:
        raise PoseFormatError(f"{path}: larger than {limit} bytes")
    return content


def possible(coordinates: np.ndarray, largest: float, repairs: Repairs) -> np.ndarray:
    """bool [...]: joints whose numbers are finite and not too large; the others are counted.

    Args:
        coordinates: float [..., C], the numbers of each joint.
        largest: largest absolute value of a number.
        repairs: `joints not finite` and `joints out of range` are added to it.
    """
    finite = np.all(np.isfinite(coordinates), axis=-1)
    near = np.all(np.abs(np.where(finite[..., None], coordinates, 0)) <= largest, axis=-1)
    count_repairs(
        repairs, {"joints not finite": (~finite).sum(), "joints out of range": (~near).sum()}
    )
    return finite & near


def clear_unusable(keypoints: np.ndarray, largest: float, repairs: Repairs) -> np.ndarray:
    """Makes joints with impossible numbers missing, and counts them.

    Args:
        keypoints: float [..., 3], x, y and confidence.
        largest: as in `possible`.
        repairs: as in `possible`.

    Returns:
        float32 [..., 3]; a missing joint is (0, 0, 0).
    """
    keypoints = np.asarray(keypoints, np.float64)
    seen = possible(keypoints, largest, repairs) & (keypoints[..., 2] > 0)
    return np.where(seen[..., None], keypoints, 0).astype(np.float32)
