"""Videos of clips, and pictures: what `output.save_clip` writes for `.mp4`, `.gif` and `.png`."""

import contextlib
import itertools
import subprocess
import threading
import time
from collections.abc import Collection, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from signllm_jax.core.errors import TooSlowError
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.cues import cue_at

_HEIGHT = 420  # pixels of the picture of a signer
_COLOURS = 96  # of a gif
_LETTER = 26  # pixels of the letters of a spelled word
_FASTEST = 50  # pictures a second of a gif: viewers show delays below 0.02 s as 0.1 s
_CODERS = {
    "mp4": "-c:v libx264 -pix_fmt yuv420p -crf 20 -preset veryfast -movflags +faststart",
    "webm": "-c:v libvpx-vp9 -pix_fmt yuv420p -crf 30 -b:v 0 -deadline realtime -cpu-used 8",
}
MOST_SECONDS = 600.0
"""What a video or an animated picture may take; a server sets less."""


def video_frames(
    produced: PoseClip,
    reference: PoseClip | None = None,
    text: str = "",
    side: bool = False,
    only: Collection[int] | None = None,
) -> Iterator[np.ndarray]:
    """Yields the pictures of a video, uint8 [H, W, 3] with even sides, at the produced clip's rate.

    A reference stands on the left, at the same scale and in its own time; the clip that ends first
    stays on its last frame, and a thin bar under each shows how far it has come.

    Args:
        produced: the clip; its `fps` is the video's.
        reference: the real clip of the same text.
        text: written above.
        side: seen from the side.
        only: numbers of the pictures that are wanted; None = all.
    """
    from PIL import Image, ImageDraw

    from signllm_jax.render import figure, lettering

    clips = [produced] if reference is None or not len(reference) else [reference, produced]
    view = figure.signing_space(clips, side)
    cell = (round(_HEIGHT * view.width / view.height), _HEIGHT)
    edge, gap = 14, 10
    width = 2 * edge + len(clips) * (cell[0] + gap) - gap
    measure = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    lines = lettering.write_lines(measure, (0, 0), text, width - 2 * edge, 22, figure.INK)
    row = edge + (29 * lines + 6 if text else 0) + _LETTER  # base line of the letters
    spelled = _is_spelled(produced)
    head = row + 8 if spelled else row - _LETTER
    head += 20 if len(clips) == 2 else 0
    base = Image.new("RGB", (_even(width), _even(head + cell[1] + edge)), figure.PAPER)
    draw = ImageDraw.Draw(base)
    lettering.write_lines(draw, (edge, edge - 4), text, width - 2 * edge, 22, figure.INK)
    lefts = [edge + index * (cell[0] + gap) for index in range(len(clips))]
    if len(clips) == 2:
        for left, name in zip(lefts, ("reference", "produced")):
            draw.text((left, head - 20), name, fill=figure.MUTED, font=lettering.font(14))
    numbers = range(_count(produced, reference))
    for number in numbers if only is None else sorted(only):
        image = base.copy()
        if spelled:
            _light(image, produced, number / produced.fps, (edge, row), width - 2 * edge)
        for left, clip in zip(lefts, clips):
            index = min(int((number + 0.5) / produced.fps * clip.fps), len(clip) - 1)
            pose = (clip.positions[index], clip.confidence[index], clip.skeleton)
            image.paste(figure.draw_frame(*pose, view, cell), (left, head))
            done = round(cell[0] * (index + 1) / len(clip))
            bar = (left, head + cell[1] - 3, left + done, head + cell[1] - 1)
            ImageDraw.Draw(image).rectangle(bar, fill=figure.MUTED)
        yield np.asarray(image)


def _is_spelled(clip: PoseClip) -> bool:
    return bool(clip.cues) and all(cue.spelled for cue in clip.cues)


def _light(image, clip: PoseClip, moment: float, at: tuple[int, int], width: int) -> None:
    """Writes the word that is spelled at a moment, its letter lit."""
    from PIL import ImageDraw

    from signllm_jax.render import figure, lettering

    lit = cue_at(clip.cues, moment)
    last = max((i for i, cue in enumerate(clip.cues) if cue.start <= moment), default=0)
    word = [i for i, cue in enumerate(clip.cues) if cue.word == clip.cues[last].word]
    lettering.write_letters(
        ImageDraw.Draw(image),
        at,
        [clip.cues[i].label for i in word],
        None if lit is None else word.index(lit),
        width,
        _LETTER,
        (figure.MUTED, figure.ACCENT),
    )


def _count(produced: PoseClip, reference: PoseClip | None) -> int:
    """The number of pictures: until the longer clip ends."""
    clips = [produced] if reference is None or not len(reference) else [reference, produced]
    return max(round(max(len(clip) / clip.fps for clip in clips) * produced.fps), 1)


def _even(size: int) -> int:
    return size + size % 2


def save_mp4(path: Path, produced: PoseClip, reference: PoseClip | None, text: str) -> None:
    """Writes a video; needs ffmpeg, which imageio-ffmpeg brings."""
    write_video(path, video_frames(produced, reference, text), produced.fps)


def save_webm(path: Path, produced: PoseClip, reference: PoseClip | None, text: str) -> None:
    """Writes a video in the free format VP9; needs ffmpeg, too."""
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
    with subprocess.Popen(
        [*command, str(path.absolute())], stdin=subprocess.PIPE, stderr=subprocess.PIPE
    ) as ffmpeg:
        late = threading.Event()
        clock = threading.Timer(MOST_SECONDS, lambda: (late.set(), ffmpeg.kill()))
        clock.start()
        try:
            with contextlib.suppress(BrokenPipeError):  # ffmpeg gave up: it says why below
                for frame in itertools.chain([first], frames):
                    ffmpeg.stdin.write(frame.tobytes())
            _, message = ffmpeg.communicate()
        finally:
            clock.cancel()
    if late.is_set():
        raise TooSlowError(f"ffmpeg took more than {MOST_SECONDS:g} seconds and was ended")
    if ffmpeg.returncode:
        raise OSError(message.decode(errors="replace").strip() or "ffmpeg failed")


def save_gif(path: Path, produced: PoseClip, reference: PoseClip | None, text: str) -> None:
    """Writes an animated picture that plays in real time.

    Above 50 frames per second only as many are written as viewers show at their pace.

    Raises TooSlowError where it takes longer than MOST_SECONDS.
    """
    from PIL import Image

    # Some pictures are drawn twice, for the colours first, so that few are held at a time.
    count = _count(produced, reference)
    chosen = {*np.linspace(0, count - 1, 4).round().astype(int).tolist()}
    sheet = np.concatenate(list(video_frames(produced, reference, text, only=chosen)))
    sheet = Image.fromarray(sheet)
    palette = sheet.quantize(_COLOURS, method=Image.Quantize.MEDIANCUT)
    step = max(produced.fps / _FASTEST, 1)
    shown = [int(step * number) for number in range(max(round(count / step), 1))]
    pages = (
        Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE)
        for frame in _in_time(video_frames(produced, reference, text, only=shown))
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
