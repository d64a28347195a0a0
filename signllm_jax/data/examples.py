"""What training and evaluation ask of a split; `data.splits.Source` is the one that is on a disk.

Others are made of one: pooled, flattened, or with other texts.
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
        """Of every example."""
        ...

    @property
    def lengths(self) -> np.ndarray:
        """int [n], the frames T of every example."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> dict: ...


class Clips(Examples, Protocol):
    """Examples that are evaluated or read, too."""

    @property
    def ids(self) -> Sequence[str]:
        """Of every example."""
        ...

    @property
    def units(self) -> Sequence[Sequence[str]]:
        """The gloss of every example."""
        ...

    def clip(self, index: int, /) -> PoseClip:
        """The poses of an example."""
        ...
