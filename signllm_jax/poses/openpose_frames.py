"""Finds the frames of a clip in OpenPose's JSON: in a folder, an archive, or one file.

One file holds a list of frames, or a dictionary of them by number; either may stand under `frames`.
The DGS Corpus wraps the recordings of a session: a list of `camera`, `width`, `height`, `frames`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from signllm_jax.core.errors import PoseFormatError
from signllm_jax.poses.archives import open_archive
from signllm_jax.poses.budget import Budget
from signllm_jax.poses.frames import numbered_files, numbered_names, read_file, reason
from signllm_jax.poses.json_files import SUFFIXES, load_json, parse_json
from signllm_jax.poses.openpose_session import FRAME_BYTES, NUMBER, Session, recording_of

LARGE_BYTES = 16 * 2**20
"""Larger files are read frame by frame; a session of the DGS Corpus has hundreds of megabytes."""
_LARGE_GZ = LARGE_BYTES // 8
_NAME = r"(?i)(\d+)_keypoints\.json$"


class Frames(NamedTuple):
    """The frames of a clip.

    Attributes:
        parsed: (frame number, name for error messages, parsed JSON) of each frame in turn.
        length: number of frames T, with those that have no file. None where it is known only when
            all frames are read; the lowest number is then the first frame.
        picture: width and height in pixels, where the file stores them.
    """

    parsed: Iterator[tuple[int, str, object]]
    length: int | None
    picture: tuple[int, int] | None = None


def _frame(content: bytes, source: str, budget: Budget) -> object:
    """The parsed JSON of one frame; an empty file is a frame without people."""
    return parse_json(content, source, budget) if content.strip() else {"people": []}


def find_frames(path: Path, budget: Budget, camera: str = "") -> Frames:
    """Finds the frames of a clip.

    Args:
        path: a folder or `.zip` of files `<clip>_<number>_keypoints.json`, or a `.json` or
            `.json.gz` of a whole clip.
        budget: limits of a clip.
        camera: camera of the recording, where a file wraps several recordings.

    Raises:
        PoseFormatError: no frames, damage, or several cameras of which none is named.
    """
    suffix = path.suffix.lower()
    if suffix == ".zip" and not path.is_dir():
        return _archived(path, budget)
    if suffix in SUFFIXES and not path.is_dir():
        large = _LARGE_GZ if suffix == ".gz" else LARGE_BYTES
        if path.is_file() and path.stat().st_size > large:
            return Frames(iter(Session(path, camera)), None)
        return _in_value(load_json(path, budget), str(path), budget, camera)
    files, length = numbered_files(path, _NAME, budget)
    return Frames(_in_folder(files, str(path), budget), length)


def _in_folder(files, folder: str, budget: Budget) -> Iterator[tuple[int, str, object]]:
    total = 0
    for number, file in files:
        content = read_file(file, min(FRAME_BYTES, budget.bytes))
        total += len(content)
        budget.ask(folder, bytes=total)
        yield number, file, _frame(content, file, budget)


def _archived(path: Path, budget: Budget) -> Frames:
    limit = min(FRAME_BYTES, budget.bytes)
    with open_archive(path, budget) as archive:
        names = [member.filename for member in archive.infolist()]
        numbered, length = numbered_names(names, _NAME, str(path), budget)
        contents, total = [], 0
        for number, name in numbered:
            try:
                with archive.open(name) as file:  # an announced size is not to be trusted
                    content = file.read(limit + 1)
            except Exception as error:  # damage shows as almost any error of zipfile and zlib
                raise PoseFormatError(f"{path}: not a readable archive: {reason(error)}") from None
            total += len(content)
            budget.ask(str(path), bytes=total)
            if len(content) > limit:
                raise PoseFormatError(f"{path}: {name:.80} is larger than {limit} bytes")
            contents.append((number, f"{path}: {name:.80}", content))
    parsed = ((n, name, _frame(content, name, budget)) for n, name, content in contents)
    return Frames(parsed, length)


def _in_value(value: object, source: str, budget: Budget, camera: str) -> Frames:
    """The frames in the JSON of a whole clip."""
    if recording := recording_of(value, source, camera):
        size = recording.get("width"), recording.get("height")
        known = all(type(side) is int and 0 < side < 1e5 for side in size)
        inner = _in_value(recording["frames"], source, budget, "")
        return inner._replace(picture=size if known else None)
    if isinstance(value, dict) and "people" in value:
        value = [value]
    elif isinstance(value, dict) and "frames" in value:
        value = value["frames"]
    if isinstance(value, list):
        budget.ask(source, frames=len(value))  # before a dictionary of them is made
        value = {str(number): frame for number, frame in enumerate(value)}
    if isinstance(value, dict) and value:
        numbered, length = numbered_names(value, NUMBER.pattern, source, budget)
        named = ((n, f"{source}: frame {name:.40}", value[name]) for n, name in numbered)
        return Frames(named, length)
    raise PoseFormatError(f"{source}: no list of frames in it")
