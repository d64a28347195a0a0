"""Projects a 3D clip back onto its video, measures its distance to the keypoints, and draws it."""

import contextlib
import dataclasses
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from signllm_jax.core.errors import DataError, OutputError, PoseFormatError
from signllm_jax.core.plain_files import replacing
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.lift import lift_keypoints
from signllm_jax.poses.lift_best import CONFIDENT
from signllm_jax.poses.openpose import read_openpose_keypoints
from signllm_jax.poses.pose_file import read_pose_keypoints
from signllm_jax.render.pictures import MOST_SIDE, video_pictures
from signllm_jax.render.video import write_video

_LANDMARK, _LIMB = "#9ca3af", "#22d3ee"
_DARK = "#0f172a"
_HANDS = {"left_hand": "#60a5fa", "right_hand": "#fb923c"}


@dataclasses.dataclass(frozen=True)
class Projection:
    """Position of a clip in a picture: an orthographic camera that is fixed over the clip.

    Attributes:
        scale: Pixels per shoulder width.
        shift: Pixel coordinates [2] of the clip's origin.
    """

    scale: float
    shift: np.ndarray

    def points(self, positions: np.ndarray) -> np.ndarray:
        """Pixels [..., 2] of positions [..., 3] in shoulder widths."""
        return positions[..., :2] * self.scale + self.shift


def fit_projection(clip: PoseClip, keypoints: np.ndarray) -> Projection:
    """The scale and shift that fit a clip to keypoints by weighted least squares.

    Args:
        clip: openpose50 clip of T frames.
        keypoints: float [T, 50, 3], x and y in pixels and confidence (the weight), 0 = missing.

    Raises:
        PoseFormatError: the numbers of frames or joints differ, or the two have fewer than two
            joints in common.
    """
    if keypoints.shape != clip.positions.shape:
        raise PoseFormatError(f"keypoints {keypoints.shape} for a clip {clip.positions.shape}")
    both = clip.observed & (keypoints[..., 2] > 0)
    if both.sum() < 2:
        raise PoseFormatError("the clip and the keypoints have no joints in common")
    weight = keypoints[..., 2:][both].astype(np.float64)
    ours, theirs = (part[..., :2][both].astype(np.float64) for part in (clip.positions, keypoints))
    ours_mean, theirs_mean = ((part * weight).sum(0) / weight.sum() for part in (ours, theirs))
    spread = (weight * (ours - ours_mean) ** 2).sum()
    together = (weight * (ours - ours_mean) * (theirs - theirs_mean)).sum()
    scale = float(together / max(spread, 1e-12))
    return Projection(scale, theirs_mean - scale * ours_mean)


def pixel_distances(clip: PoseClip, keypoints: np.ndarray) -> np.ndarray:
    """Distances in pixels [N] between the projected clip and the confident keypoints.

    Keypoints of a confidence below `CONFIDENT` are guesses that the lift corrects. Arguments and
    errors as in `fit_projection`.
    """
    differences = fit_projection(clip, keypoints).points(clip.positions) - keypoints[..., :2]
    confident = clip.observed & (keypoints[..., 2] >= CONFIDENT)
    return np.linalg.norm(differences[confident], axis=-1)


def draw_overlay(
    picture: Image.Image, clip: PoseClip, keypoints: np.ndarray, frame: int, projection: Projection
) -> Image.Image:
    """Draws one frame of a clip over its picture: the clip in color, the keypoints as gray rings.

    Args:
        picture: Picture of the frame, or a plain background of its size.
        clip, keypoints, projection: As in `fit_projection`.
        frame: Number of the frame.
    """
    picture = picture.convert("RGB")
    pen = ImageDraw.Draw(picture)
    points = projection.points(clip.positions[frame])
    seen, width = clip.observed[frame], max(round(projection.scale / 40), 1)
    colours = {joint: c for name, c in _HANDS.items() for joint in clip.skeleton.groups[name]}
    for parent, child in clip.skeleton.bones:
        if seen[parent] and seen[child]:
            line = points[[parent, child]].ravel().tolist()
            pen.line(line, fill=colours.get(child, _LIMB), width=width)
    radius = max(projection.scale / 60, 1.5)
    for x, y, confidence in keypoints[frame].tolist():
        if confidence > 0:
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), outline=_LANDMARK)
    return picture


def _grounds(keypoints: np.ndarray, video: Iterable[Image.Image] | None) -> Iterator[Image.Image]:
    """A picture per frame: of the video, or dark; raises DataError if there are too few."""
    if video is None:  # large enough for all keypoints but those that lie far out
        width, height = np.clip(keypoints[..., :2].max(axis=(0, 1)), 0, MOST_SIDE - 40).tolist()
        dark = Image.new("RGB", (int(width) + 40, int(height) + 40), _DARK)
        yield from itertools.repeat(dark, len(keypoints))
        return
    count = 0
    for count, picture in enumerate(itertools.islice(video, len(keypoints)), 1):  # noqa: B007
        yield picture
    if count < len(keypoints):
        raise DataError(f"the video has {count} frames, but {len(keypoints)} have keypoints")


def crop_around(keypoints: np.ndarray, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The box (left, top, right, bottom) around all keypoints, with a margin."""
    seen = keypoints[..., :2][keypoints[..., 2] > 0]
    low, high = seen.min(0), seen.max(0)
    edge = 0.15 * (high - low).max()
    left, top = np.maximum(low - edge, 0)
    right, bottom = np.minimum(high + edge, size)
    return int(left), int(top), int(right), int(bottom)


def overlay_strip(
    clip: PoseClip, keypoints: np.ndarray, video: Iterable[Image.Image] | None, frames: int = 6
) -> Image.Image:
    """Evenly spaced frames side by side, 240 pixels high, each drawn by `draw_overlay`.

    Args:
        clip, keypoints: As in `fit_projection`.
        video: One picture per frame, in order; None for a dark background.
        frames: Number of frames to show.

    Raises DataError if the video has fewer frames than the clip.
    """
    projection = fit_projection(clip, keypoints)
    shown = np.linspace(0, len(clip) - 1, frames).round()
    grounds = _grounds(keypoints, video)
    first = next(grounds)
    box, height = crop_around(keypoints, first.size), 240
    width = round((box[2] - box[0]) * height / max(box[3] - box[1], 1))
    width = int(np.clip(width, 1, 4 * height))
    strip = Image.new("RGB", (frames * (width + 4) - 4, height), "#ffffff")
    for frame, ground in enumerate(itertools.chain([first], grounds)):
        if frame in shown:
            drawn = draw_overlay(ground, clip, keypoints, frame, projection).crop(box)
            small = drawn.resize((width, height), Image.Resampling.LANCZOS)
            for column in np.flatnonzero(shown == frame).tolist():
                strip.paste(small, (column * (width + 4), 0))
    return strip


def overlay(
    pose: str | Path,
    output: str | Path,
    video: str | Path | None = None,
    lift: str = "best",
    fps: float = 25.0,
) -> dict:
    """Lifts keypoints, draws the clip over its video and measures the distance between them.

    Args:
        pose: Path of a `.pose` file, or of OpenPose's JSON.
        output: Path of the `.mp4`, or of a `.png` for a strip of frames.
        video: Path of the video of the keypoints; without one the background is dark.
        lift: Mode of `poses.lift`.
        fps: Frames per second, if the keypoint file has none.

    Returns:
        `frames`, the distances of `pixel_distances` as `mean` and `p95` in pixels and
        `mean_shoulder_widths`, and the `share` of joints that were measured.

    Raises:
        PoseFormatError, DataError: the keypoints or the video are unreadable, or the video is
            shorter.
        OutputError: the suffix is not `.mp4` or `.png`, or the file cannot be written.
    """
    output = Path(output)
    if output.suffix.lower() not in (".mp4", ".png"):
        raise OutputError(f"{output}: an overlay is a .mp4 or a .png")
    if Path(pose).suffix.lower() == ".pose":
        keypoints, fps = read_pose_keypoints(pose)
    else:
        keypoints = read_openpose_keypoints(pose)
    clip = lift_keypoints(keypoints, fps, lift, str(pose))
    projection = fit_projection(clip, keypoints)
    reader = contextlib.closing(video_pictures(video)) if video else contextlib.nullcontext()
    with replacing(output) as part, reader as shown:
        if output.suffix.lower() == ".png":
            overlay_strip(clip, keypoints, shown).save(part, format="png")
        else:
            write_video(Path(part), _pictures(clip, keypoints, shown, projection), fps)
    return {"frames": len(clip)} | measure(clip, keypoints)


def measure(clip: PoseClip, keypoints: np.ndarray) -> dict[str, float]:
    """Distances between a projected clip and its keypoints; see `overlay`."""
    distances = pixel_distances(clip, keypoints)
    if not len(distances):
        raise PoseFormatError(f"no keypoint has a confidence of {CONFIDENT}")
    return {
        "mean": float(distances.mean()),
        "p95": float(np.quantile(distances, 0.95)),
        "mean_shoulder_widths": float(distances.mean() / fit_projection(clip, keypoints).scale),
        "share": len(distances) / clip.confidence.size,
    }


def _pictures(clip, keypoints, video, projection) -> Iterator[np.ndarray]:
    for frame, picture in enumerate(_grounds(keypoints, video)):
        width, height = (side - side % 2 for side in picture.size)
        drawn = draw_overlay(picture, clip, keypoints, frame, projection)
        yield np.asarray(drawn.crop((0, 0, width, height)))
