"""Sequences of different lengths as rows of one array."""

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Shaped

from signllm_jax.core.typing import Array


def padded(rows: Iterable, shape: Sequence[int], dtype: type = np.int32) -> Shaped[Array, "..."]:
    """An array of a shape with each sequence at the beginning of a row, and 0 everywhere else."""
    array = np.zeros(shape, dtype)
    for target, row in zip(array, rows):
        target[: len(row)] = row
    return array
