"""Reads and writes `.skels`: a clip per line, numbers separated by spaces, counter last in a frame.

151 numbers per frame are x y z of 50 joints and the counter (Progressive Transformers,
Prompt2Sign): the positions divided by 3 or by 9, the third axis towards the viewer. 385 numbers are
DWPose's ("trg384"): for body, hands and face in turn all x y, then all scores, then the counter.
"""

import os
from collections.abc import Iterable, Iterator

import numpy as np

from signllm_jax.core.errors import OutputError, PoseFormatError
from signllm_jax.core.plain_files import replacing
from signllm_jax.core.skeleton import DWPOSE128, OPENPOSE50
from signllm_jax.core.storage import open_regular
from signllm_jax.poses.budget import BUDGET, Budget
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.dwpose import dwpose_clip, picture_keypoints
from signllm_jax.poses.dwpose_keys import score_confidence
from signllm_jax.poses.frames import Repairs, clear_unusable, possible, readable
from signllm_jax.poses.normalize import to_shoulder_widths

FRAME_SIZES = (151, 385)
SCALES = (3, 9)
MISSING = 0.016  # number that Prompt2Sign writes for NaN and for exact zero, in files of scale 9
LARGEST_NUMBER = 1e3
_PIECE = 2**20  # bytes of a line that are parsed at once
_LONGEST_NUMBER = 1000  # letters
_SPACES = bytes.maketrans(b"\t\r\n\v\f\x1c\x1d\x1e\x1f", b" " * 9)
COUNTER_TOLERANCE = 2e-4  # counters have four or five decimals
_SHARP = 1e-4
_TO_CLIP = np.array([1.0, 1.0, -1.0])
_NECK, _SHOULDERS = 1, (2, 5)
# first joint and number of joints of body, both hands and face; a joint has three numbers
_BLOCKS = ((0, 18), (18, 42), (60, 68))


def _counters(frames: int) -> tuple[np.ndarray, ...]:
    """The counters in use: Prompt2Sign from 1/T to 1, Progressive Transformers from 0, DWPose."""
    number = np.arange(frames)
    return (number + 1) / frames, number / frames, number / max(frames - 1, 1)


def _counts(counter: np.ndarray) -> bool:
    expected = _counters(len(counter))
    return any(np.abs(counter - numbers).max() < COUNTER_TOLERANCE for numbers in expected)


def _split(numbers: np.ndarray, source: str) -> np.ndarray:
    """Numbers of a line -> [T, 151] or [T, 385], whichever has a counter that counts."""
    fitting = [size for size in FRAME_SIZES if len(numbers) % size == 0]
    if not fitting:
        raise PoseFormatError(
            f"{source}: {len(numbers)} numbers are no whole number of frames of "
            f"{' or '.join(map(str, FRAME_SIZES))}"
        )
    counted = [size for size in fitting if _counts(numbers[size - 1 :: size])]
    if len(counted) != 1:
        size = fitting[0]
        counter = numbers[size - 1 :: size]
        expected = _counters(len(counter))[0]
        wrong = int(np.argmax(~(np.abs(counter - expected) < COUNTER_TOLERANCE)))
        raise PoseFormatError(
            f"{source}: the counter of frame {wrong} is {counter[wrong]:g}, not {expected[wrong]:g}"
        )
    return numbers.reshape(-1, counted[0])


def detect_scale(positions: np.ndarray, source: str) -> int:
    """Detects from the shoulders whether a file has scale 3 or 9, or refuses.

    Progressive Transformers keeps the neck at 0 and the shoulders a third apart. Prompt2Sign
    divides by the picture's deviation and 9, so that the shoulders are 0.1 to 0.25 apart and the
    neck moves. Our own files have shoulders a third or a ninth apart to four decimals.

    Args:
        positions: [T, 50, 3], the numbers of a line.
        source: File and line, for error messages.

    Returns:
        3 or 9.

    Raises:
        PoseFormatError: neither fits.
    """
    apart = np.linalg.norm(positions[:, _SHOULDERS[0]] - positions[:, _SHOULDERS[1]], axis=-1)
    seen = np.isfinite(apart) & (apart > 0)
    width = float(np.median(apart[seen])) if seen.any() else 0.0
    for scale in SCALES:
        if abs(width - 1 / scale) < _SHARP:
            return scale
    neck = positions[:, _NECK]
    still = not neck[np.isfinite(neck)].any()
    if still and 0.25 < width < 0.45:
        return 3
    if not still and 0.05 < width < 0.29:
        return 9
    raise PoseFormatError(
        f"{source}: the scale cannot be detected from shoulders {width:.3g} apart: give 3 or 9"
    )


def _openpose_clip(frames: np.ndarray, fps, scale, source, repairs: Repairs) -> PoseClip:
    positions = frames[:, :-1].reshape(len(frames), OPENPOSE50.size, 3)
    scale = detect_scale(positions, source) if scale is None else scale
    usable = possible(positions, LARGEST_NUMBER, repairs)
    if scale == 9:
        absent = (positions == MISSING).all(axis=-1)
    else:
        absent = (positions == 0).all(axis=-1)
        absent[:, _NECK] = absent.all(axis=1)  # the neck is the origin of scale 3
    confidence = (usable & ~absent).astype(np.float32)
    positions = np.where(confidence[..., None] > 0, positions, 0) * scale * _TO_CLIP
    positions = to_shoulder_widths(positions, confidence, OPENPOSE50.name, source)
    return PoseClip(positions, confidence, fps)


def _dwpose_clip(frames: np.ndarray, fps, source, repairs: Repairs) -> PoseClip:
    parts = []
    for first, joints in _BLOCKS:
        numbers = frames[:, 3 * first : 3 * (first + joints)]
        flat = numbers[:, : 2 * joints].reshape(len(frames), joints, 2)
        scores = score_confidence(numbers[:, 2 * joints :])
        parts.append(np.concatenate([flat, scores[..., None]], axis=-1))
    keypoints = clear_unusable(np.concatenate(parts, axis=1), LARGEST_NUMBER, repairs)
    return dwpose_clip(keypoints, fps, source=source, repairs=repairs)


def lines(path: str | os.PathLike, budget: Budget = BUDGET, offset: int = 0) -> Iterator[bytes]:
    """Yields the lines of a file from a byte on, at most one byte longer than the budget allows.

    Raises PoseFormatError.
    """
    with readable(path), open_regular(path) as file:
        file.seek(offset)
        while line := file.readline(budget.bytes + 1):
            yield line


def _parse(line: bytes, source: str, budget: Budget) -> np.ndarray:
    budget.ask(source, bytes=len(line))
    line = line.translate(_SPACES)
    pieces, start, count = [], 0, 0
    try:
        while start < len(line):
            end = line.find(b" ", start + _PIECE)
            end = len(line) if end < 0 else end
            if end - start > _PIECE + _LONGEST_NUMBER:
                raise PoseFormatError(f"{source}: a number of more than {_LONGEST_NUMBER} letters")
            pieces.append(np.array(line[start:end].decode("ascii").split(), np.float64))
            start, count = end, count + len(pieces[-1])
            budget.ask(source, frames=count // max(FRAME_SIZES))
    except UnicodeDecodeError as error:
        raise PoseFormatError(f"{source}: byte {start + error.start} is no text") from None
    except ValueError as error:
        raise PoseFormatError(f"{source}: {error!s:.200}") from None
    return np.concatenate(pieces)


def read_skels(
    path: str | os.PathLike,
    fps: float,
    scale: int | None = None,
    repairs: Repairs | None = None,
    budget: Budget = BUDGET,
) -> Iterator[PoseClip | None]:
    """Reads a `.skels` file line by line, so that a corpus of any size fits in memory.

    Args:
        path: path of the file.
        fps: frames per second, which the format does not store.
        scale: divisor of the positions in files of 151 numbers, 3 or 9; by default it is detected,
            and a line from which it cannot be detected is refused.
        repairs: counts `joints not finite`, `joints out of range` and `empty lines`.
        budget: limits of a clip.

    Yields:
        For each line an openpose50 clip (151 numbers per frame) or a dwpose128 clip (385); None for
        an empty line, which Prompt2Sign leaves for a clip that failed, so that the lines of `.text`
        stay aligned. Joints written as 0.01600 three times (scale 9) or as zeros (scale 3, except
        the neck) are missing.

    Raises:
        PoseFormatError: no such file, or a damaged line: text that is no number, a wrong count of
            numbers, a counter that does not count, no shoulders; it names the file and the line.
    """
    if scale not in (None, *SCALES):
        raise PoseFormatError(f"{path}: the scale is 3 or 9, not {scale}")
    for number, line in enumerate(lines(path, budget), start=1):
        yield read_line(line, fps, scale, f"{path}: line {number}", repairs, budget)


def read_line(
    line: bytes,
    fps: float,
    scale: int | None,
    source: str,
    repairs: Repairs | None = None,
    budget: Budget = BUDGET,
) -> PoseClip | None:
    """Reads one line of a `.skels` file; see `read_skels`. `source` is named in errors."""
    repairs = Repairs() if repairs is None else repairs
    numbers = _parse(line, source, budget)
    if not len(numbers):
        repairs["empty lines"] += 1
        return None
    frames = _split(numbers, source)
    budget.ask(source, fps, frames=len(frames))
    if frames.shape[1] == FRAME_SIZES[0]:
        return _openpose_clip(frames, fps, scale, source, repairs)
    return _dwpose_clip(frames, fps, source, repairs)


def skels_line(positions: np.ndarray) -> str:
    """Writes positions as a 151-number line in the manner of Prompt2Sign.

    Args:
        positions: [T, 50, 3], already divided by the scale; NaN and exact zero become 0.01600.

    Returns:
        The line without its end: five decimals, the counter from 1/T to 1.
    """
    numbers = np.asarray(positions, np.float64)
    numbers = np.where(np.isnan(numbers) | (numbers == 0), MISSING, numbers)
    return _line(numbers, map(str, np.round(_counters(len(numbers))[0], 5)))


def _line(positions: np.ndarray, counter: Iterable[str]) -> str:
    """Writes positions [T, 50, 3] to five decimals, and the counter after each frame."""
    return " ".join(
        " ".join([f"{number:.5f}" for number in frame.ravel()] + [count])
        for frame, count in zip(positions, counter)
    )


def _clip_line(clip: PoseClip, scale: int) -> str:
    if clip.layout == DWPOSE128.name:
        keypoints = picture_keypoints(clip)
        blocks = []
        for first, joints in _BLOCKS:
            part = keypoints[:, first : first + joints]
            blocks += [part[:, :, :2].reshape(len(part), -1), part[:, :, 2]]
        counter = _counters(len(clip))[2][:, None]
        frames = np.concatenate([*blocks, counter], axis=1)
        return " ".join(f"{number:.8f}" for number in frames.ravel())
    numbers = clip.positions * _TO_CLIP / scale
    if scale == 9:
        # 0 means missing there: a coordinate of 0 to five decimals is moved by the last decimal
        numbers = np.where(np.abs(numbers) < 5e-6, 1e-5, numbers)
        return skels_line(np.where(clip.observed[..., None], numbers, np.nan))
    at_zero = (np.abs(numbers) < 5e-6).all(axis=-1, keepdims=True)
    numbers = np.where(clip.observed[..., None], np.where(at_zero, 1e-5, numbers), 0)
    return _line(numbers, (f"{count:.5f}" for count in _counters(len(clip))[1]))


def write_skels(path: str | os.PathLike, clips: Iterable[PoseClip | None], scale: int = 9) -> None:
    """Writes clips as a `.skels` file, which appears when it is whole.

    Args:
        path: path of the file.
        clips: openpose50 clips become 151 numbers per frame, dwpose128 clips 385; None becomes an
            empty line.
        scale: divisor of openpose50 positions in shoulder widths: 9 with Prompt2Sign's counter and
            0.01600 for missing joints, 3 with Progressive Transformers' counter and zeros for
            missing joints (a neck alone cannot be missing there).

    Raises:
        OutputError: another scale, or a file that cannot be written.
    """
    if scale not in SCALES:
        raise OutputError(f"{path}: the scale is 3 or 9, not {scale}")
    with replacing(path) as part, open(part, "w", encoding="ascii") as file:
        for clip in clips:
            file.write("" if clip is None else _clip_line(clip, scale))
            file.write("\n")
