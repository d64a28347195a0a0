"""Cuts a segment out of a longer clip."""

from signllm_jax.core.errors import PoseFormatError
from signllm_jax.corpora.entries import Entry
from signllm_jax.poses.frames import Repairs

_FAR = 10  # times the length of its file, where no segment in seconds ends
_CLOSE = 2  # frames by which a clip that was cut before may be longer or shorter than its segment


def segment_frames(entry: Entry, length: int, fps: float, repairs: Repairs) -> slice:
    """The frames of a segment in its file.

    If a segment goes beyond the end of a file that has just the segment's length, the file was cut
    out before and is taken as a whole. Of any other segment that goes beyond the end, the part
    within the file is taken.

    Args:
        entry: The segment's entry, with start and end in seconds or frames.
        length: Number of frames of the file.
        fps: Frames per second of the file.
        repairs: Counts both kinds.

    Raises:
        PoseFormatError: The segment begins after the end of the file, ends so far beyond it that
            its times are in another unit, or has no frame.
    """
    scale = fps if entry.unit == "seconds" else 1
    start = round((entry.start or 0) * scale)
    end = length if entry.end is None else round(entry.end * scale)
    if end > length and start and abs(end - start - length) <= _CLOSE:
        repairs["segments that were cut out before"] += 1
        return slice(0, length)
    if start >= length:
        raise PoseFormatError("its segment begins after the end of its file")
    if end > _FAR * length:
        raise PoseFormatError("its segment ends far beyond its file: are its times in seconds?")
    if end <= start:
        raise PoseFormatError("its segment has no frame")
    if end > length + _CLOSE:
        repairs["segments that end after their file"] += 1
    return slice(start, min(end, length))
