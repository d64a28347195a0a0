"""The interface of splits for training and evaluation; `data.splits.Source` reads one from disk.

Others are derived from a Source: pooled, flattened, or with other texts.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from signllm_jax.poses.clip import PoseClip


class Examples(Protocol):
    """Random access to the examples of a language's split; see `Source` for the attributes."""

    @property
    def language(self) -> str:
        """Code of the language, or the lane's name."""
        ...

    @property
    def texts(self) -> Sequence[str]:
        """The text of every example."""
        ...

    @property
    def lengths(self) -> np.ndarray:
        """int [n], number of frames T of every example."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> dict: ...


class Clips(Examples, Protocol):
    """Examples that can also be evaluated or read."""

    @property
    def ids(self) -> Sequence[str]:
        """The id of every example."""
        ...

    @property
    def units(self) -> Sequence[Sequence[str]]:
        """The gloss of every example."""
        ...

    def clip(self, index: int, /) -> PoseClip:
        """The poses of an example."""
        ...
