"""Reads the parts of a `.pose` file: a new header object, and the numbers without a copy.

pose-format shares one header object among files with equal headers, so that scaling one pose
changes the headers of all others. Here nothing is taken from its cache and nothing is left in it.
"""

import struct
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from signllm_jax.core.errors import PoseFormatError
from signllm_jax.poses.budget import Budget
from signllm_jax.poses.frames import read_file, readable, reason

if TYPE_CHECKING:
    from pose_format.pose_header import PoseHeader

_HEADER_BYTES = 2**20  # the largest real one has 30,000
_AXES = (2, 3, 4)  # numbers of axes that a point may have besides its confidence


class PoseBody(NamedTuple):
    """What a `.pose` file holds.

    Attributes:
        header: a header object that no other file shares.
        positions: float32 [T, people, points, 3], z = 0 where the file has none.
        confidence: float32 [T, people, points].
        fps: frames per second as stored; 0 where the rate is variable.
    """

    header: "PoseHeader"
    positions: np.ndarray
    confidence: np.ndarray
    fps: float


def load_pose(path: Path | Traversable, name: str, budget: Budget) -> PoseBody:
    """Reads a `.pose` file of version 0.0, 0.1 or 0.2.

    Args:
        path: a Path or a package resource.
        name: name of the file, for error messages.
        budget: limits of a clip; asked before an array is made.

    Raises:
        PoseFormatError: the file is damaged, or larger than the budget; it names the file.
    """
    try:
        with readable(name):
            content = read_file(path, budget.bytes) if isinstance(path, Path) else path.read_bytes()
        return _parsed(content, name, budget)
    except PoseFormatError:
        raise
    except Exception as error:  # damage shows as almost any error of the parser
        raise PoseFormatError(f"{name}: not a readable .pose file ({reason(error)})") from None


def _parsed(content: bytes, name: str, budget: Budget) -> PoseBody:
    header, start = _header(content)
    points = header.total_points()
    if not points:  # without points the body would be read without end
        raise PoseFormatError(f"{name}: 0 points")
    budget.ask(name, points=points)
    axes = header.num_dims()
    if axes not in _AXES:
        raise PoseFormatError(f"{name}: needs x, y and perhaps z, not {axes} axes")
    version = round(header.version, 3)
    if version == 0:
        positions, confidence, fps = _first_version(content, header, start, name, budget)
    else:
        sizes = struct.Struct({0.1: "<HHH", 0.2: "<fIH"}[version])
        fps, frames, people = sizes.unpack_from(content, start)
        start += sizes.size
        budget.ask(name, people=people)
        if not people:
            raise PoseFormatError(f"{name}: nobody in any frame")
        frame = people * points * (axes + 1) * 4
        if version == 0.1:  # it counts frames in 16 bits, which are too few
            frames = (len(content) - start) // frame
        budget.ask(name, frames=frames)
        if len(content) - start < frames * frame:
            raise PoseFormatError(f"{name}: not a readable .pose file (it ends too early)")
        count = frames * people * points
        positions = np.frombuffer(content, "<f4", count * axes, start)
        confidence = np.frombuffer(content, "<f4", count, start + 4 * count * axes)
        positions = positions.reshape(frames, people, points, axes)
        confidence = confidence.reshape(frames, people, points)
    if not len(positions):
        raise PoseFormatError(f"{name}: 0 frames")
    return PoseBody(header, _three_axes(positions, header), confidence, float(fps))


def _header(content: bytes) -> tuple["PoseHeader", int]:
    """The header and the first byte of the body."""
    from pose_format.pose_header import PoseHeader, PoseHeaderCache  # part of the demo extra
    from pose_format.utils.reader import BufferReader

    reader = BufferReader(content[:_HEADER_BYTES])
    PoseHeaderCache.clear_cache()
    try:
        return PoseHeader.read(reader), reader.read_offset
    finally:
        PoseHeaderCache.clear_cache()


def _first_version(content, header, start: int, name: str, budget: Budget):
    """Version 0.0 of the format: each frame has a number of people, of whom the first is kept."""
    from pose_format.numpy import NumPyPoseBody
    from pose_format.utils.reader import BufferReader

    fps, frames = struct.unpack_from("<HH", content, start)
    # an empty frame of two bytes becomes an array of doubles with a mask
    budget.ask(name, frames=frames, bytes=frames * header.total_points() * 36)
    reader = BufferReader(content)
    reader.read_offset = start
    body = NumPyPoseBody.read_v0_0(header, reader)
    positions = np.ma.getdata(body.data).astype(np.float32)
    return positions, np.asarray(np.ma.getdata(body.confidence), np.float32), fps


def _three_axes(positions: np.ndarray, header: "PoseHeader") -> np.ndarray:
    """x, y and z by the letters of the points' format, z = 0 where it has none."""
    letters = max((part.format for part in header.components), key=len)[:-1].upper()
    if not {"X", "Y"} <= set(letters):
        letters = "XYZW"
    rows = [letters.find(axis) for axis in "XYZ"]
    if rows == [0, 1, 2]:
        return positions[..., :3]
    depth = positions[..., rows[2]] if rows[2] >= 0 else np.zeros_like(positions[..., 0])
    return np.stack([positions[..., rows[0]], positions[..., rows[1]], depth], axis=-1)
