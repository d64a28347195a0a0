"""Packs clips into rows once for all epochs, many groups of clips at the same time."""

import math

import numpy as np

OPEN_ROWS = 32
"""Rows of a group that clips may still be put into."""
GROUP = 1024
"""Clips of a group at most; what a group's last rows leave empty is one in some hundred."""
_NOTHING = np.iinfo(np.int32).max


def pack_rows(needs: np.ndarray, limits: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Deals clips into rows: each goes where it leaves least room of those rows that have enough.

    Clips are cut into groups of equal size in the order in which they come. All groups take their
    next clip at once: into the open row that it fills most, or into a new one, for which the
    fullest row of the group is closed where OPEN_ROWS are open.

    Args:
        needs: int32 [n, L], what a clip takes of each limit, at least 0 and at most all of it.
        limits: what a row has of each.

    Returns:
        The clips row after row int32 [n], in the order of `needs` within a row, and where rows
        begin and the last one ends, int32 [rows + 1].
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
        own = every[: need.shape[1]]
        room = left[:, own] - need[:, :, None]
        after = np.where((room >= 0).all(0), room[0], _NOTHING)
        slot = after.argmin(1)
        new = np.flatnonzero(after[own, slot] == _NOTHING)
        if len(new):
            slot[new] = left[0, new].argmin(1)
            for part, limit in zip(left, limits):
                part[new, slot[new]] = limit
            names[new, slot[new]] = made[new]
            made[new] += 1
        left[:, own, slot] -= need
        chosen[step, own] = names[own, slot]
    first = np.concatenate([[0], np.cumsum(made)[:-1]])
    row_of = (chosen + first).ravel()[:count]
    starts = np.concatenate([[0], np.cumsum(np.bincount(row_of, minlength=made.sum()))])
    return np.argsort(row_of, kind="stable").astype(np.int32), starts.astype(np.int32)
