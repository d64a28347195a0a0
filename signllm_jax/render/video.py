"""Videos and pictures of clips: `save.save_clip` writes `.mp4`, `.webm`, `.gif` and `.png` here."""

import contextlib
import functools
import itertools
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from signllm_jax.core.errors import TooSlowError
from signllm_jax.poses.clip import PoseClip

_GIF = 450  # height of a gif in pixels
_COLOURS = 96  # number of colors of a gif
_FASTEST = 50  # pictures per second of a gif: viewers show delays below 0.02 s as 0.1 s
_CODERS = {
    "mp4": "-c:v libx264 -pix_fmt yuv420p -crf 20 -preset veryfast -movflags +faststart",
    "webm": "-c:v libvpx-vp9 -pix_fmt yuv420p -crf 30 -b:v 0 -deadline realtime -cpu-used 8",
}
MOST_SECONDS = 600.0
"""Time limit of a video or an animated picture; a server sets a lower one."""
_encoding: set[subprocess.Popen] = set()


def save_video(path: Path, produced: PoseClip, reference: PoseClip | None, text: str) -> None:
    """Writes `.mp4` (H.264) or `.webm` (VP9); needs ffmpeg, which imageio-ffmpeg brings."""
    from signllm_jax.render.scene import video_frames

    write_video(path, video_frames(produced, reference, text), produced.fps, path.suffix[1:])


def write_video(path: Path, frames: Iterator[np.ndarray], fps: float, form: str = "mp4") -> None:
    """Encodes pictures uint8 [H, W, 3] with even sides as `mp4` or `webm`.

    Raises:
        OSError: ffmpeg fails.
        TooSlowError: ffmpeg takes longer than MOST_SECONDS and is killed.
    """
    import imageio_ffmpeg

    first = next(frames)
    rate = str(Fraction(fps).limit_denominator(1001))
    raw = f"-f rawvideo -pix_fmt rgb24 -s {first.shape[1]}x{first.shape[0]} -r {rate} -i -"
    # -f: the temporary file may have another suffix
    options = f"-y -loglevel error {raw} {_CODERS[form]} -f {form}".split()
    # imageio-ffmpeg's own writer forks, which can hang a process in which JAX has threads.
    # A process group of its own: ffmpeg may be a script, whose program has to end with it.
    with subprocess.Popen(
        [imageio_ffmpeg.get_ffmpeg_exe(), *options, str(path.absolute())],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        process_group=0,
    ) as ffmpeg:
        assert ffmpeg.stdin  # it is a pipe
        late = threading.Event()
        clock = threading.Timer(MOST_SECONDS, lambda: (late.set(), _kill(ffmpeg)))
        clock.start()
        _encoding.add(ffmpeg)
        try:
            with contextlib.suppress(BrokenPipeError):  # ffmpeg gave up: it says why below
                for frame in itertools.chain([first], frames):
                    ffmpeg.stdin.write(frame.tobytes())
            _, message = ffmpeg.communicate()
        except BaseException:
            _kill(ffmpeg)
            raise
        finally:
            _encoding.discard(ffmpeg)
            clock.cancel()
    if late.is_set():
        raise TooSlowError(f"ffmpeg took more than {MOST_SECONDS:g} seconds and was ended")
    if ffmpeg.returncode:
        raise OSError(message.decode(errors="replace").strip() or "ffmpeg failed")


def end_encoders() -> None:
    """Kills every ffmpeg of this process; their callers get an OSError."""
    for ffmpeg in tuple(_encoding):
        _kill(ffmpeg)


def _kill(ffmpeg: subprocess.Popen) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(ffmpeg.pid, signal.SIGKILL)


def save_gif(path: Path, produced: PoseClip, reference: PoseClip | None, text: str) -> None:
    """Writes an animated picture that plays in real time.

    Of clips with more than 50 frames per second only as many frames are written as viewers can
    show in real time.

    Raises TooSlowError if it takes longer than MOST_SECONDS.
    """
    from PIL import Image

    from signllm_jax.render.scene import picture_count, video_frames

    # A few pictures are drawn twice, first for the colors, so that memory holds few at a time.
    count = picture_count(produced, reference)
    frames = functools.partial(video_frames, produced, reference, text, height=_GIF)
    chosen = {*np.linspace(0, count - 1, 4).round().astype(int).tolist()}
    sheet = np.concatenate(list(frames(only=chosen)))
    palette = Image.fromarray(sheet).quantize(_COLOURS, method=Image.Quantize.MEDIANCUT)
    step = max(produced.fps / _FASTEST, 1)
    shown = [int(step * number) for number in range(max(round(count / step), 1))]
    pages = (
        Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE)
        for frame in _in_time(frames(only=shown))
    )
    # A gif counts in hundredths of a second: rounding the ends, not the durations, keeps time.
    ends = np.round(np.arange(len(shown) + 1) * 100 * step / produced.fps).astype(int)
    durations = [10 * int(length) for length in np.diff(ends)]
    next(pages).save(path, save_all=True, append_images=pages, duration=durations, loop=0)


def _in_time(frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """The same pictures; raises TooSlowError if they take longer than MOST_SECONDS."""
    began = time.monotonic()
    for frame in frames:
        if time.monotonic() - began > MOST_SECONDS:
            raise TooSlowError(f"it took more than {MOST_SECONDS:g} seconds and was given up")
        yield frame


def save_png(path: Path, produced: PoseClip, reference: PoseClip | None, text: str) -> None:
    """Writes a contact strip."""
    from signllm_jax.render.figure import contact_strip

    contact_strip(produced, reference or None, text).save(path)
