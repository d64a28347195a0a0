"""Packs clips into rows once for all epochs, for many groups of clips at the same time."""

import math

import numpy as np

OPEN_ROWS = 32
"""Number of rows per group that still take clips."""
GROUP = 1024
"""Largest number of clips per group. Its last rows leave less than one percent of it empty."""
_NOTHING = np.iinfo(np.int32).max


def pack_rows(needs: np.ndarray, limits: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Packs clips into rows by best fit: a clip goes into the row that then has least room left.

    The clips are split into groups of equal size. All groups place their next clip at once, in the
    open row with the best fit or in a new row. If OPEN_ROWS rows are open, the fullest one of the
    group is closed for it.

    Args:
        needs: int32 [n, L], the size of each clip in each limit, from 0 to the whole limit.
        limits: Size of a row in each of the L limits.

    Returns:
        Clip indices int32 [n], row after row, in the order of `needs` within a row. The start of
        each row and the end of the last one, int32 [rows + 1].
    """
    count = len(needs)
    groups = max(1, math.ceil(count / GROUP))
    steps = math.ceil(count / groups)
    left = np.full((len(limits), groups, OPEN_ROWS), -1, np.int32)
    names = np.zeros((groups, OPEN_ROWS), np.int32)
    made = np.zeros(groups, np.int32)
    chosen = np.zeros((steps, groups), np.int32)
    every = np.arange(groups)
    for step in range(steps):
        # group g has clips g, g + groups, ...: the last step has fewer groups
        need = needs[step * groups : (step + 1) * groups].T
        active = every[: need.shape[1]]
        room = left[:, active] - need[:, :, None]
        after = np.where((room >= 0).all(0), room[0], _NOTHING)
        slot = after.argmin(1)
        new = np.flatnonzero(after[active, slot] == _NOTHING)
        if len(new):
            slot[new] = left[0, new].argmin(1)
            for part, limit in zip(left, limits):
                part[new, slot[new]] = limit
            names[new, slot[new]] = made[new]
            made[new] += 1
        left[:, active, slot] -= need
        chosen[step, active] = names[active, slot]
    first = np.concatenate([[0], np.cumsum(made)[:-1]])
    row_of = (chosen + first).ravel()[:count]
    starts = np.concatenate([[0], np.cumsum(np.bincount(row_of, minlength=made.sum()))])
    return np.argsort(row_of, kind="stable").astype(np.int32), starts.astype(np.int32)
