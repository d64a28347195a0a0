"""The pictures of a video, one after the other, in bounded memory."""

import subprocess
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import IO

from PIL import Image

from signllm_jax.core.errors import DataError

MOST_SIDE = 4096
"""Pixels of a side of a picture."""
_HEADER = 64  # bytes of a line of a picture's head at most


def video_pictures(path: str | Path) -> Generator[Image.Image, None, None]:
    """Yields the pictures of a video as they are shown; ffmpeg is ended when no more are wanted.

    Raises DataError where it is unreadable, or its pictures are larger than MOST_SIDE.
    """
    import imageio_ffmpeg

    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: no such video")
    binary = imageio_ffmpeg.get_ffmpeg_exe()
    # an image stream tells the size of each picture itself
    command = [binary, *["-nostdin", "-loglevel", "error", "-i"], str(path.absolute())]
    command += ["-f", "image2pipe", "-c:v", "ppm", "-"]
    # a file takes all that ffmpeg has to say of a damaged video; a pipe that is full would stop it
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said
        ) as ffmpeg,
    ):
        count, shown = 0, ffmpeg.stdout
        assert shown  # it is a pipe
        try:
            while size := _size(shown):
                if max(size) > MOST_SIDE:
                    raise DataError(f"{path}: a picture of {size[0]} x {size[1]} pixels")
                content = shown.read(3 * size[0] * size[1])
                if len(content) < 3 * size[0] * size[1]:
                    break
                count += 1
                yield Image.frombytes("RGB", size, content)
        finally:
            ffmpeg.kill()
        said.seek(0)
        message = said.read(1000).decode(errors="replace").strip()
    if not count:
        raise DataError(f"{path}: no readable video: {message.splitlines()[0] if message else ''}")


def _size(stream: IO[bytes]) -> tuple[int, int] | None:
    """Width and height of the picture that comes next; None at the end."""
    if stream.readline(_HEADER).strip() != b"P6":
        return None
    sides = stream.readline(_HEADER).split()
    stream.readline(_HEADER)  # the greatest value
    return (int(sides[0]), int(sides[1])) if len(sides) == 2 else None
