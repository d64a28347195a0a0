"""Videos of clips, and pictures: what `save.save_clip` writes for `.mp4`, `.gif` and `.png`."""

import contextlib
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

_GIF = 450  # pixels of the height of a gif
_COLOURS = 96  # of a gif
_FASTEST = 50  # pictures a second of a gif: viewers show delays below 0.02 s as 0.1 s
_CODERS = {
    "mp4": "-c:v libx264 -pix_fmt yuv420p -crf 20 -preset veryfast -movflags +faststart",
    "webm": "-c:v libvpx-vp9 -pix_fmt yuv420p -crf 30 -b:v 0 -deadline realtime -cpu-used 8",
}
MOST_SECONDS = 600.0
"""What a video or an animated picture may take; a server sets less."""
_encoding: set[subprocess.Popen] = set()


def save_mp4(path: Path, produced: PoseClip, reference: PoseClip | None, text: str) -> None:
    """Writes a video; needs ffmpeg, which imageio-ffmpeg brings."""
    from signllm_jax.render.scene import video_frames

    write_video(path, video_frames(produced, reference, text), produced.fps)


def save_webm(path: Path, produced: PoseClip, reference: PoseClip | None, text: str) -> None:
    """Writes a video in the free format VP9; needs ffmpeg, too."""
    from signllm_jax.render.scene import video_frames

    write_video(path, video_frames(produced, reference, text), produced.fps, "webm")


def write_video(path: Path, frames: Iterator[np.ndarray], fps: float, form: str = "mp4") -> None:
    """Encodes pictures uint8 [H, W, 3] with even sides as `mp4` or `webm`.

    Raises OSError where ffmpeg fails.

    Raises TooSlowError where it takes longer than MOST_SECONDS: it is killed then.
    """
    import imageio_ffmpeg

    first = next(frames)
    rate = str(Fraction(fps).limit_denominator(1001))
    raw = f"-f rawvideo -pix_fmt rgb24 -s {first.shape[1]}x{first.shape[0]} -r {rate} -i -"
    coded = _CODERS[form]
    # imageio-ffmpeg's own writer forks, which can hang a process in which JAX has threads.
    coded += f" -f {form}"  # whatever the file is called for now
    command = [imageio_ffmpeg.get_ffmpeg_exe(), *f"-y -loglevel error {raw} {coded}".split()]
    # a group of its own: ffmpeg may be a script, whose program has to end with it
    with subprocess.Popen(
        [*command, str(path.absolute())],
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
    """Kills every ffmpeg that encodes for this process; their callers get an OSError."""
    for ffmpeg in tuple(_encoding):
        _kill(ffmpeg)


def _kill(ffmpeg: subprocess.Popen) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(ffmpeg.pid, signal.SIGKILL)


def save_gif(path: Path, produced: PoseClip, reference: PoseClip | None, text: str) -> None:
    """Writes an animated picture that plays in real time.

    Above 50 frames per second only as many are written as viewers show at their pace.

    Raises TooSlowError where it takes longer than MOST_SECONDS.
    """
    from PIL import Image

    from signllm_jax.render.scene import picture_count, video_frames

    # Some pictures are drawn twice, for the colors first, so that few are held at a time.
    count = picture_count(produced, reference)
    chosen = {*np.linspace(0, count - 1, 4).round().astype(int).tolist()}
    given = produced, reference, text
    sheet = np.concatenate(list(video_frames(*given, only=chosen, height=_GIF)))
    palette = Image.fromarray(sheet).quantize(_COLOURS, method=Image.Quantize.MEDIANCUT)
    step = max(produced.fps / _FASTEST, 1)
    shown = [int(step * number) for number in range(max(round(count / step), 1))]
    pages = (
        Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE)
        for frame in _in_time(video_frames(*given, only=shown, height=_GIF))
    )
    # A gif counts in hundredths of a second: rounding the ends, not the durations, keeps time.
    ends = np.round(np.arange(len(shown) + 1) * 100 * step / produced.fps).astype(int)
    durations = [10 * int(length) for length in np.diff(ends)]
    next(pages).save(path, save_all=True, append_images=pages, duration=durations, loop=0)


def _in_time(frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """The same pictures; raises TooSlowError when they are not all asked for in MOST_SECONDS."""
    began = time.monotonic()
    for frame in frames:
        if time.monotonic() - began > MOST_SECONDS:
            raise TooSlowError(f"it took more than {MOST_SECONDS:g} seconds and was given up")
        yield frame


def save_png(path: Path, produced: PoseClip, reference: PoseClip | None, text: str) -> None:
    """Writes a contact strip."""
    from signllm_jax.render.figure import contact_strip

    if reference is not None and not len(reference):
        reference = None
    contact_strip(produced, reference, text).save(path)
