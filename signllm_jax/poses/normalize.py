"""From a reader's units to those of PoseClip: shoulder widths from the clip's median neck."""

import numpy as np

from signllm_jax.core.errors import PoseFormatError
from signllm_jax.core.skeleton import Layout, get_layout

LEAST_WIDTH = 1e-6  # of the shoulders, in the reader's own unit
LARGEST_PART = 2.0
"""Coordinates whose median is at most this are parts of a picture: nobody is four pixels wide."""
_EXACT = 1e-3  # tolerance of the 0 and the 1 of a normalized clip
_NEGATIVE = 0.15  # share of coordinates below 0 that only a range from -1 to 1 has


def is_normalized(shoulders: np.ndarray, seen: np.ndarray) -> bool:
    """Whether pose-format's `Pose.normalize` was applied: coordinates are no parts of a picture.

    It puts the middle of the shoulders at 0 and makes their distance 1, both as means over frames.

    Args:
        shoulders: positions of both shoulders, float [T, 2, 3].
        seen: bool [T, 2].
    """
    both = seen.all(axis=1) & np.isfinite(shoulders).all(axis=(1, 2))
    if not both.any():
        return False
    shown = shoulders[both].astype(np.float64)
    apart = np.linalg.norm(shown[:, 0] - shown[:, 1], axis=-1).mean()
    return bool(abs(apart - 1) < _EXACT and np.abs(shown.mean(axis=(0, 1))).max() < _EXACT)


def put_neck(keypoints: np.ndarray, layout: Layout) -> None:
    """Puts the neck in the middle of the shoulders, for detectors that give no neck.

    Args:
        keypoints: float [T, J, 3], x, y and confidence; the neck is changed.
        layout: layout of the joints.
    """
    neck, left, right = map(layout.index, ("neck", "left_shoulder", "right_shoulder"))
    shoulders = keypoints[:, [left, right]]
    keypoints[:, neck] = shoulders.mean(axis=1)
    keypoints[:, neck, 2] = shoulders[..., 2].min(axis=1)


def to_pixels(
    flat: np.ndarray, seen: np.ndarray, picture: tuple[int, int] | None, source: str
) -> np.ndarray:
    """Scales coordinates that are parts of a picture, 0 to 1 or -1 to 1, by its size.

    Args:
        flat: x and y, float [..., 2].
        seen: bool [...]; only seen joints are scaled.
        picture: width and height in pixels, where they are known.
        source: name of the file, for error messages.

    Returns:
        The same array where the coordinates are pixels already, else a new one.

    Raises:
        PoseFormatError: parts of a picture of unknown size, so that x and y differ in their units.
    """
    seen = seen & np.isfinite(flat).all(axis=-1)
    shown = flat[seen].astype(np.float64)
    if not len(shown) or not np.median(np.abs(shown)) <= LARGEST_PART:
        return flat
    if picture is None or min(picture) <= LARGEST_PART:
        raise PoseFormatError(
            f"{source}: coordinates are parts of a picture whose size is not known (0 to 1, or -1 "
            "to 1): give --picture=WIDTHxHEIGHT"
        )
    signed = (shown < 0).mean() > _NEGATIVE
    scaled = flat.astype(np.float64)
    scaled[seen] = ((shown + 1) / 2 if signed else shown) * np.array(picture, np.float64)
    return scaled


def to_shoulder_widths(
    positions: np.ndarray, confidence: np.ndarray, layout: str, source: str, axes: int = 3
) -> np.ndarray:
    """Centers a clip on its median neck and divides it by its median shoulder width.

    Args:
        positions: float [T, J, 2] or [T, J, 3], any unit, the same for all axes.
        confidence: float [T, J], 0 = missing.
        layout: name of the layout.
        source: name of the file, for error messages.
        axes: number of axes in which the shoulder width is measured.

    Returns:
        float32 of the same shape; missing joints are 0. Where no frame shows the neck, the middle
        of the shoulders stands in for it.

    Raises:
        PoseFormatError: no frame shows both shoulders, or both are at the same point.
    """
    skeleton = get_layout(layout)
    neck, right, left = map(skeleton.index, ("neck", "right_shoulder", "left_shoulder"))
    positions = np.asarray(positions, np.float64)
    both = (confidence[:, right] > 0) & (confidence[:, left] > 0)
    if not both.any():
        raise PoseFormatError(f"{source}: no frame shows both shoulders")
    apart = positions[both, right, :axes] - positions[both, left, :axes]
    width = np.median(np.linalg.norm(apart, axis=-1))
    if not LEAST_WIDTH < width < np.inf:
        raise PoseFormatError(f"{source}: the shoulders are {width:g} apart")
    seen = confidence[:, neck] > 0
    if seen.any():
        center = np.median(positions[seen, neck], axis=0)
    else:
        center = np.median((positions[both, right] + positions[both, left]) / 2, axis=0)
    scaled = (positions - center) / width
    return np.where(confidence[..., None] > 0, scaled, 0).astype(np.float32)
