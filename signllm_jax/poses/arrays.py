"""Reads and writes our own `.npz` of a clip: its fields as plain arrays, nothing lost."""

import os

import numpy as np

from signllm_jax.core.errors import PoseFormatError, SignLLMError
from signllm_jax.core.skeleton import LAYOUTS
from signllm_jax.poses.budget import BUDGET, Budget
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.npz import save_npz

_FIELDS = ("positions", "confidence", "fps")


def is_clip(archive: dict) -> bool:
    """Whether members read by `load_npz` are those of a clip."""
    return all(isinstance(archive.get(name), np.ndarray) for name in _FIELDS)


def clip_of(archive: dict, source: str, budget: Budget = BUDGET) -> PoseClip:
    """Makes a clip of members read by `load_npz`; raises PoseFormatError, naming `source`.

    The number of joints tells the layout, so its name need not be read.
    """
    positions, confidence, fps = (archive[name] for name in _FIELDS)
    numeric = all(array.dtype.kind in "fiu" for array in (positions, confidence, fps))
    by_size = {layout.size: name for name, layout in LAYOUTS.items()}
    if not numeric or positions.ndim != 3 or positions.shape[1] not in by_size or fps.size != 1:
        raise PoseFormatError(f"{source}: positions {positions.shape} and fps are no clip")
    rate = float(fps.item())
    budget.ask(source, rate, frames=len(positions))
    with np.errstate(over="ignore"):  # a number that overflows is not finite, which is refused
        positions, confidence = positions.astype(np.float32), confidence.astype(np.float32)
    confidence = np.clip(confidence, 0, 1)
    try:
        return PoseClip(positions, confidence, rate, by_size[positions.shape[1]])
    except SignLLMError as error:
        raise PoseFormatError(f"{source}: {error}") from None


def write_arrays(path: str | os.PathLike, clip: PoseClip) -> None:
    """Writes `positions`, `confidence`, `fps` and `layout`; raises OutputError."""
    save_npz(path, {name: getattr(clip, name) for name in (*_FIELDS, "layout")})
