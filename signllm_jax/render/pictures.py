"""Reads the pictures of a video one by one, in bounded memory."""

import subprocess
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import IO

from PIL import Image

from signllm_jax.core.errors import DataError

MOST_SIDE = 4096
"""Pixels of a side of a picture."""
_HEADER = 64  # largest number of bytes of a line in the header of a picture


def video_pictures(path: str | Path) -> Generator[Image.Image, None, None]:
    """Yields the pictures of a video in order; closing the generator ends ffmpeg.

    Raises DataError if the video is unreadable, or its pictures are larger than MOST_SIDE.
    """
    import imageio_ffmpeg

    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: no such video")
    # an image stream has the size of each picture
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-loglevel", "error", "-i"]
    command += [str(path.absolute()), "-f", "image2pipe", "-c:v", "ppm", "-"]
    # a file holds all messages about a damaged video; a full pipe would stop ffmpeg
    with (
        tempfile.TemporaryFile() as messages,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=messages
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
        messages.seek(0)
        message = messages.read(1000).decode(errors="replace").strip()
    if not count:
        raise DataError(f"{path}: no readable video: {message.splitlines()[0] if message else ''}")


def _size(stream: IO[bytes]) -> tuple[int, int] | None:
    """Width and height of the next picture; None at the end."""
    if stream.readline(_HEADER).strip() != b"P6":
        return None
    sides = stream.readline(_HEADER).split()
    stream.readline(_HEADER)  # the greatest value
    return (int(sides[0]), int(sides[1])) if len(sides) == 2 else None
