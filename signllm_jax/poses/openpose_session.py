"""Reads the frames of one camera from a large file in OpenPose's JSON, one by one.

A session of the DGS Corpus has hundreds of megabytes, of which a clip needs one camera's frames.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from signllm_jax.core.errors import PoseFormatError
from signllm_jax.poses.json_files import open_json
from signllm_jax.poses.json_stream import LARGE, JsonStream

FRAME_BYTES = 2 * 2**20  # of one frame; a crowd of a hundred people has 1 MB
SESSION_BYTES = 4 * 2**30  # of a file, decompressed
NUMBER = re.compile(r"(\d+)(?:_keypoints)?(?:\.\w+)?$")  # of a frame among a dictionary's keys


def recording_of(value: object, source: str, camera: str) -> dict | None:
    """Picks the recording of a camera from the value of a session's file.

    Args:
        value: Parsed JSON; a session is a list of recordings.
        source: Name of the file, for error messages.
        camera: Camera of the recording; empty where there is only one recording.

    Returns:
        The recording; None where the value is no session.

    Raises:
        PoseFormatError: The camera is missing, or several match or none is named.
    """
    if not isinstance(value, list) or not value or not all(map(_is_recording, value)):
        return None
    if len(value) == 1 and not camera:
        return value[0]
    names = [str(recording.get("camera", number)) for number, recording in enumerate(value)]
    matches = [number for number, name in enumerate(names) if _is_camera(name, camera)]
    if camera in names or len(matches) == 1:
        return value[names.index(camera) if camera in names else matches[0]]
    raise _no_camera(names, source, camera)


def _is_recording(value: object) -> bool:
    return isinstance(value, dict) and "people" not in value and "frames" in value


def _is_camera(name: str, wanted: str) -> bool:
    """Whether a recording is the wanted one; `1a1` and `a` mean the camera `a1`."""
    return bool(wanted) and bool(name) and (name in wanted or wanted in name)


def _no_camera(names: list[str], source: str, wanted: str) -> PoseFormatError:
    """The error of a file that lacks the wanted camera, or has several where none is wanted."""
    stem = re.sub(r"[._]openpose$", "", Path(source).name.partition(".json")[0])
    what = f"no camera {wanted!r}" if wanted else "several cameras"
    listed = ", ".join(names)[:100]
    return PoseFormatError(f"{source}: {what} in it but {listed}: name the clip {stem}_{names[0]}")


class Session:
    """The frames of a large file.

    Iterating gives (number, name for error messages, parsed JSON) of each frame.

    Args:
        path: Path of a `.json` or `.json.gz` file.
        camera: Camera of the recording; empty where there is only one recording.

    Raises:
        PoseFormatError: Damage, a camera that is missing, or several of which none is named.
    """

    def __init__(self, path: Path, camera: str):
        self._path, self._source, self._camera = path, str(path), camera
        self._names: list[str] = []
        self._taken = 0

    def __iter__(self) -> Iterator[tuple[int, str, object]]:
        with open_json(self._path) as file:
            self._stream = JsonStream(file.read, FRAME_BYTES, SESSION_BYTES, self._source)
            if self._stream.peek() == "{":
                yield from self._object()
            else:
                for number, _ in enumerate(self._stream.items()):
                    yield from self._item(number)
        if self._camera and self._names and not self._taken:
            raise _no_camera(self._names, self._source, self._camera)

    def _item(self, number: int) -> Iterator[tuple[int, str, object]]:
        """A frame of a list of frames, or a recording of a list of recordings."""
        value = self._stream.value()
        if value is LARGE:
            yield from self._object()
        elif _is_recording(value):
            raise PoseFormatError(f"{self._source}: recording {number} has next to no frames")
        else:
            yield number, f"{self._source}: frame {number}", value

    def _object(self) -> Iterator[tuple[int, str, object]]:
        """The frames of a recording, or of a dictionary of frames by number."""
        name = str(len(self._names))
        for key in self._stream.entries():
            if key == "frames":
                self._names.append(name)
                yield from self._frames(self._is_taken(name))
            elif number := NUMBER.fullmatch(key):
                yield int(number.group(1)[:18]), *self._value(key)
            else:
                _, value = self._value(key)
                name = str(value) if key == "camera" else name

    def _is_taken(self, name: str) -> bool:
        taken = not self._camera or name == self._camera or _is_camera(name, self._camera)
        self._taken += taken
        if self._taken > 1:
            raise _no_camera(self._names, self._source, self._camera)
        return taken

    def _frames(self, taken: bool) -> Iterator[tuple[int, str, object]]:
        if self._stream.peek() == "[":
            numbered = ((number, str(number)) for number, _ in enumerate(self._stream.items()))
        else:
            numbered = ((self._number(key), key) for key in self._stream.entries())
        for number, key in numbered:
            frame = self._value(key)
            if taken:
                yield number, *frame

    def _number(self, key: str) -> int:
        match = NUMBER.search(key)
        if not match:
            raise PoseFormatError(f"{self._source}: a frame {key:.40!r} without a number")
        return int(match.group(1)[:18])

    def _value(self, key: str) -> tuple[str, object]:
        value = self._stream.value()
        if value is LARGE:
            raise PoseFormatError(f"{self._source}: {key:.40} is longer than {FRAME_BYTES} bytes")
        return f"{self._source}: frame {key:.40}", value
