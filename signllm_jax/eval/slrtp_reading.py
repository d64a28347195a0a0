"""Reads the `.pt` files of the SLRTP 2025 challenge without PyTorch and without running code.

`slrtp.write_slrtp` and `torch.save` write such files: a zip with a pickle, which may name tensors
and dictionaries and nothing else, and the tensors' storages as plain bytes.
"""

import dataclasses
import io
import math
import os
import pickle
import zipfile
from collections.abc import Iterator

import numpy as np

from signllm_jax.core.errors import DataError, PoseFormatError
from signllm_jax.core.skeleton import OPENPOSE50
from signllm_jax.eval.slrtp import FILLED, FPS, JOINTS, POINTS
from signllm_jax.poses.archives import open_archive
from signllm_jax.poses.budget import BUDGET
from signllm_jax.poses.clip import PoseClip

_FILE = dataclasses.replace(BUDGET, bytes=4 << 30)  # of all clips together
_MAX_PICKLE = 64 << 20
_TYPES = {"FloatStorage": "f4", "DoubleStorage": "f8", "HalfStorage": "f2"}


def read_slrtp(path: str | os.PathLike) -> Iterator[tuple[str, np.ndarray]]:
    """Yields the id and the points [T, 178, 3] of every clip of a file; see `to_clip`.

    Raises:
        DataError: It is no such file, or is too large to be read safely.
    """
    try:
        with open_archive(path, _FILE) as archive:
            content = _Reader(archive).load()
    except PoseFormatError as error:
        raise DataError(str(error)) from None
    except Exception as error:  # damage shows as almost any error of zipfile, zlib and pickle
        reason = " ".join(f"{error}".split()) or type(error).__name__
        raise DataError(f"{path}: no file of the SLRTP challenge: {reason:.200}") from None
    if not isinstance(content, dict):
        raise DataError(f"{path}: no dictionary of clips, but {type(content).__name__}")
    for name, fields in content.items():
        points = fields.get("poses_3d") if isinstance(fields, dict) else fields
        named = isinstance(name, str)
        if not named or not isinstance(points, np.ndarray) or points.shape[1:] != (POINTS, 3):
            raise DataError(f"{path}: {name!r:.80} has no poses_3d of shape [T, {POINTS}, 3]")
        yield name, points


def to_clip(points: np.ndarray, source: str) -> PoseClip | None:
    """The openpose50 clip of points at 25 frames per second, None for one without frames.

    A point at the origin is missing, as the layout has no other mark for that. The layout has no
    neck, which is put between the shoulders, and no nose, which is missing.

    Args:
        points: Points, float [T, 178, 3].
        source: Name of the source in an error.

    Raises:
        PoseFormatError: The clip is longer than a clip may be.
    """
    if not len(points):
        return None
    BUDGET.ask(source, fps=FPS, frames=len(points))
    finite = np.isfinite(points).all(-1, keepdims=True)
    points = np.where(finite, points, 0).astype(np.float32)
    positions = np.zeros((len(points), OPENPOSE50.size, 3), np.float32)
    positions[:, JOINTS] = points[:, FILLED]
    confidence = np.asarray(positions.any(-1), np.float32)
    neck, *sides = map(OPENPOSE50.index, ("neck", "right_shoulder", "left_shoulder"))
    positions[:, neck] = positions[:, sides].mean(1)
    confidence[:, neck] = confidence[:, sides].min(1)
    return PoseClip(np.where(confidence[..., None] > 0, positions, 0), confidence, FPS)


class _Reader(pickle.Unpickler):
    """Builds dictionaries and tensors; every other name in the file is refused."""

    def __init__(self, archive: zipfile.ZipFile):
        (name,) = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        self._archive, self._top = archive, name.removesuffix("data.pkl")
        if archive.getinfo(name).file_size > _MAX_PICKLE:
            raise ValueError("its pickle is too large")
        super().__init__(io.BytesIO(archive.read(name)))

    def find_class(self, module: str, name: str):
        allowed: dict = {("torch", kind): dtype for kind, dtype in _TYPES.items()}
        allowed["collections", "OrderedDict"] = dict
        allowed["torch._utils", "_rebuild_tensor_v2"] = _rebuild
        if (module, name) not in allowed:
            raise ValueError(f"it asks for {module}.{name}".replace("\n", " ")[:100])
        return allowed[module, name]

    def persistent_load(self, value):
        kind, dtype, key, _, count = value
        if kind != "storage" or dtype not in _TYPES.values() or "/" in str(key):
            raise ValueError("an unknown storage")
        content = self._archive.read(f"{self._top}data/{key}")
        return np.frombuffer(content, f"<{dtype}")[: int(count)]


def _rebuild(storage, offset, size, stride, *_) -> np.ndarray:
    if not isinstance(storage, np.ndarray) or len(size) != len(stride):
        raise ValueError("a tensor without a storage")
    numbers = [offset, *size, *stride]
    if not all(isinstance(number, int) and number >= 0 for number in numbers):
        raise ValueError("a tensor of no shape")
    last = offset + sum((length - 1) * step for length, step in zip(size, stride))
    if math.prod(size) and last >= len(storage):
        raise ValueError("a tensor beyond its storage")
    if math.prod(size) > len(storage):
        raise ValueError("a tensor larger than its storage")
    steps = [storage.itemsize * step for step in stride]
    return np.lib.stride_tricks.as_strided(storage[offset:], size, steps).copy()
