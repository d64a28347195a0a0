"""Writes the `.pt` files of the SLRTP 2025 sign language production challenge, without PyTorch.

A file is a dictionary: clip id -> `name`, `text`, `gloss`, `speaker` and `poses_3d`, a float32
tensor [T, 178, 3] at 25 frames per second (github.com/walsharry/SLRTP-Sign-Production-Evaluation).
Its container is the zip that `torch.save` writes: a pickle in which every tensor names its storage,
and the storages as plain bytes. The pickle here is written opcode by opcode (protocol 2), with only
the names that `torch.load(weights_only=True)` admits.
"""

import io
import os
import struct
import zipfile
from collections.abc import Iterable, Mapping

import numpy as np

from signllm_jax.core.errors import OutputError
from signllm_jax.core.plain_files import replacing
from signllm_jax.core.skeleton import OPENPOSE50
from signllm_jax.poses.clip import PoseClip

FPS = 25.0
POINTS = 178
_ARMS = ("shoulder", "elbow", "wrist")
# the 50 points that an openpose50 clip fills: right arm, left arm, (hips), right hand, left hand
FILLED = (*range(6), *range(8, 50))
JOINTS = (
    *(OPENPOSE50.index(f"{side}_{part}") for side in ("right", "left") for part in _ARMS),
    *OPENPOSE50.groups["right_hand"],
    *OPENPOSE50.groups["left_hand"],
)


def challenge_points(clip: PoseClip) -> np.ndarray:
    """A clip as float32 [T', 178, 3] in the challenge's order of points, at 25 frames per second.

    Hips, face and missing joints are 0, as the layout has no mark for missing points. Unit and axes
    stay those of PoseClip (shoulder widths, y down, z away); frames are the nearest in time.

    Raises:
        OutputError: The clip has another layout than openpose50.
    """
    if clip.layout != OPENPOSE50.name:
        raise OutputError(f"the SLRTP layout takes openpose50 clips, not {clip.layout}")
    frames = max(round(len(clip) / clip.fps * FPS), 1) if len(clip) else 0
    times = ((np.arange(frames) + 0.5) * clip.fps / FPS).astype(int).clip(0, len(clip) - 1)
    points = np.zeros((frames, POINTS, 3), np.float32)
    shown = np.where(
        clip.observed[..., None], clip.positions, 0
    )  # without the positions of missing joints
    points[:, FILLED] = shown[times][:, JOINTS]
    return points


def _text(value: str) -> bytes:
    """Pickle opcodes of a string."""
    content = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(content)) + content


def _number(value: int) -> bytes:
    """Pickle opcodes of an integer of 32 bits."""
    return b"J" + struct.pack("<i", value)


def _tensor(shape: tuple[int, ...], key: str) -> bytes:
    """Pickle opcodes that make torch rebuild a float32 tensor from the file `data/<key>`.

    They call torch._utils._rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks).
    """
    strides = [int(np.prod(shape[axis + 1 :])) for axis in range(len(shape))]
    storage = _text("storage") + b"ctorch\nFloatStorage\n" + _text(key) + _text("cpu")
    storage = b"(" + storage + _number(int(np.prod(shape))) + b"tQ"
    sizes, steps = (b"(" + b"".join(map(_number, part)) + b"t" for part in (shape, strides))
    hooks = b"ccollections\nOrderedDict\n)R"
    arguments = b"(" + storage + _number(0) + sizes + steps + b"\x89" + hooks + b"t"
    return b"ctorch._utils\n_rebuild_tensor_v2\n" + arguments + b"R"


def write_slrtp(
    path: str | os.PathLike, clips: Iterable[tuple[str, PoseClip, Mapping[str, str]]]
) -> None:
    """Writes clips in the challenge's layout.

    Args:
        path: Path of the `.pt` file.
        clips: Id, clip and texts by name: `text`, and where there are any `gloss` and `speaker`.

    Raises:
        OutputError: A clip has another layout, an id occurs twice, or the file cannot be written.
    """
    body, seen = io.BytesIO(), set()
    with replacing(path) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
        for number, (name, clip, texts) in enumerate(clips):
            if name in seen:
                raise OutputError(f"{path}: two clips are named {name}")
            seen.add(name)
            points = challenge_points(clip)
            archive.writestr(f"archive/data/{number}", points.astype("<f4").tobytes())
            fields = {"name": name, "text": "", "gloss": "", "speaker": ""} | dict(texts)
            body.write(_text(name) + b"}(")
            for key, value in fields.items():
                body.write(_text(key) + _text(value))
            body.write(_text("poses_3d") + _tensor(points.shape, str(number)) + b"u")
        content = b"\x80\x02}(" + body.getvalue() + b"u."
        archive.writestr("archive/data.pkl", content)
        archive.writestr("archive/version", "3\n")
        archive.writestr("archive/byteorder", "little")
