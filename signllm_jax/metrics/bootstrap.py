"""Bootstrap intervals of ratios over clips."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Real

RESAMPLES = 1000
LEVEL = 0.95
"""Probability that the interval covers."""


def interval(
    parts: Sequence[tuple[Real[np.ndarray, " _"], Real[np.ndarray, " _"]]], seed: int
) -> tuple[float, float] | None:
    """The bootstrap interval of the mean over parts of sum(numerators) / sum(denominators).

    Clips are resampled within each part (percentile method). Source: Efron and Tibshirani, An
    Introduction to the Bootstrap, 1993, chapter 13.

    Args:
        parts: Numerators and denominators of the clips of each part, both of one length. One part
            pools all of its clips; several parts, such as languages, have equal weights.
        seed: Seed of the resampling, the same for every part.

    Returns:
        The lower and the upper bound, or None where a part has fewer than two clips or only
        denominators of 0.
    """
    ratios = []
    for top, bottom in parts:
        if len(top) < 2:
            return None
        random = np.random.default_rng(seed)
        totals = np.zeros((2, RESAMPLES))
        for start in range(0, RESAMPLES, 100):  # bounds the memory of the drawn indices
            drawn = random.integers(len(top), size=(100, len(top)))
            totals[:, start : start + 100] = top[drawn].sum(1), bottom[drawn].sum(1)
        usable = totals[1] > 0
        if not usable.any():
            return None
        ratios.append(np.divide(*totals, out=np.full(RESAMPLES, np.nan), where=usable))
    low, high = np.nanquantile(np.mean(ratios, axis=0), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
