"""Random access to the lines of a `.skels` file, so that each clip of a corpus is read alone."""

import os

import numpy as np

from signllm_jax.core.errors import PoseFormatError
from signllm_jax.core.storage import open_regular
from signllm_jax.poses.budget import BUDGET, Budget
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.frames import Repairs, readable
from signllm_jax.poses.skels import lines, read_line

MAX_LINES = 20_000_000  # of a file; each costs eight bytes
_PIECE = 2**20


def line_offsets(path: str | os.PathLike) -> np.ndarray:
    """The first byte of each line of a file: int64 [lines], for `read_skels_line`.

    Raises:
        PoseFormatError: the file cannot be read, or has more than `MAX_LINES` lines.
    """
    starts, count, size = [np.zeros(1, np.int64)], 0, 0
    with readable(path), open_regular(path) as file:
        while piece := file.read(_PIECE):
            ends = np.flatnonzero(np.frombuffer(piece, np.uint8) == ord("\n"))
            starts.append(ends + size + 1)
            count += len(ends)
            if count > MAX_LINES:
                raise PoseFormatError(f"{path}: more than {MAX_LINES} lines")
            size += len(piece)
    offsets = np.concatenate(starts)
    return offsets[offsets < size]  # no line begins after the last line's end


def read_skels_line(
    path: str | os.PathLike,
    offset: int,
    number: int,
    fps: float,
    scale: int | None = None,
    repairs: Repairs | None = None,
    budget: Budget = BUDGET,
) -> PoseClip | None:
    """Reads one line of a `.skels` file; result and errors as `read_skels`.

    Args:
        path: path of the file.
        offset: first byte of the line, from `line_offsets`.
        number: number of the line from 1, for error messages.
        fps, scale, repairs, budget: as `read_skels`.
    """
    line = next(lines(path, budget, offset), b"")
    return read_line(line, fps, scale, f"{path}: line {number}", repairs, budget)
