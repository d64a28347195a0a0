"""A 3D clip laid back over the picture that it came from: where, how far off, and drawn."""

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
    """Where a clip stands in a picture: an orthographic camera, fixed over the clip.

    Attributes:
        scale: pixels a shoulder width.
        shift: pixels [2] of the clip's origin.
    """

    scale: float
    shift: np.ndarray

    def points(self, positions: np.ndarray) -> np.ndarray:
        """Pixels [..., 2] of positions [..., 3] in shoulder widths."""
        return positions[..., :2] * self.scale + self.shift


def fit_projection(clip: PoseClip, keypoints: np.ndarray) -> Projection:
    """The one scale and shift that lay a clip over keypoints with the least weighted squares.

    Args:
        clip: openpose50, T frames.
        keypoints: float [T, 50, 3], x and y in pixels and confidence (the weight), 0 = missing.

    Raises:
        PoseFormatError: other numbers of frames or joints, or fewer than two joints in common.
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
    """Distances in pixels [N] of the projected clip to the keypoints that are at all sure.

    These are the ones of confidence `CONFIDENT` and more: the others are guesses that the lift
    corrects. Arguments and errors as `fit_projection`.
    """
    apart = fit_projection(clip, keypoints).points(clip.positions) - keypoints[..., :2]
    sure = clip.observed & (keypoints[..., 2] >= CONFIDENT)
    return np.linalg.norm(apart[sure], axis=-1)


def draw_overlay(
    picture: Image.Image, clip: PoseClip, keypoints: np.ndarray, frame: int, projection: Projection
) -> Image.Image:
    """Draws one frame of a clip over its picture: the clip in color, the keypoints as gray rings.

    Args:
        picture: the frame, or a plain ground of its size.
        clip, keypoints, projection: as in `fit_projection`.
        frame: its number.
    """
    picture = picture.convert("RGB")
    pen = ImageDraw.Draw(picture)
    points = projection.points(clip.positions[frame])
    seen, width = clip.observed[frame], max(round(projection.scale / 40), 1)
    joints_of = clip.skeleton.groups
    colours = dict.fromkeys(range(len(clip.skeleton.joints)), _LIMB)
    for name, colour in _HANDS.items():
        colours |= dict.fromkeys(joints_of[name], colour)
    for parent, child in clip.skeleton.bones:
        if seen[parent] and seen[child]:
            line = [tuple(map(float, points[joint])) for joint in (parent, child)]
            pen.line(line, fill=colours[child], width=width)
    radius = max(projection.scale / 60, 1.5)
    for (x, y), confidence in zip(keypoints[frame, :, :2], keypoints[frame, :, 2]):
        if confidence > 0:
            x, y = float(x), float(y)
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), outline=_LANDMARK)
    return picture


def _ground(keypoints: np.ndarray) -> tuple[int, int]:
    """A size of picture that holds all keypoints, but for those that lie far out."""
    sides = np.clip(keypoints[..., :2].max(axis=(0, 1)), 0, MOST_SIDE - 40)
    return int(sides[0]) + 40, int(sides[1]) + 40


def _grounds(keypoints: np.ndarray, video: Iterable[Image.Image] | None) -> Iterator[Image.Image]:
    """A picture for each frame: of the video, or dark; raises DataError where there are too few."""
    if video is None:
        dark = Image.new("RGB", _ground(keypoints), _DARK)
        yield from itertools.repeat(dark, len(keypoints))
        return
    count = 0
    for count, picture in enumerate(itertools.islice(video, len(keypoints)), 1):  # noqa: B007
        yield picture
    if count < len(keypoints):
        raise DataError(f"the video has {count} frames, but {len(keypoints)} have keypoints")


def crop_around(
    keypoints: np.ndarray, size: tuple[int, int], margin: float = 0.15
) -> tuple[int, int, int, int]:
    """The box (left, top, right, bottom) of a picture that holds all keypoints and a margin."""
    seen = keypoints[..., :2][keypoints[..., 2] > 0]
    low, high = seen.min(0), seen.max(0)
    edge = margin * (high - low).max()
    left, top = np.maximum(low - edge, 0)
    right, bottom = np.minimum(high + edge, size)
    return int(left), int(top), int(right), int(bottom)


def overlay_strip(
    clip: PoseClip, keypoints: np.ndarray, video: Iterable[Image.Image] | None, frames: int = 6
) -> Image.Image:
    """Evenly spaced frames side by side, 240 pixels high, each as `draw_overlay`.

    Args:
        clip, keypoints: as in `fit_projection`.
        video: one picture a frame, taken one after the other; None for a dark ground.
        frames: how many.

    Raises DataError where the video has fewer frames than the clip.
    """
    projection = fit_projection(clip, keypoints)
    shown = np.linspace(0, len(clip) - 1, frames).round().astype(int).tolist()
    grounds = _grounds(keypoints, video)
    first = next(grounds)
    box, height = crop_around(keypoints, first.size), 240
    width = round((box[2] - box[0]) * height / max(box[3] - box[1], 1))
    width = int(np.clip(width, 1, 4 * height))
    strip = Image.new("RGB", (frames * (width + 4) - 4, height), "#ffffff")
    for frame, ground in enumerate(itertools.chain([first], grounds)):
        if frame not in shown:
            continue
        drawn = draw_overlay(ground, clip, keypoints, frame, projection).crop(box)
        small = drawn.resize((width, height), Image.Resampling.LANCZOS)
        for column in (place for place, each in enumerate(shown) if each == frame):
            strip.paste(small, (column * (width + 4), 0))
    return strip


def overlay(
    pose: str | Path,
    output: str | Path,
    video: str | Path | None = None,
    lift: str = "best",
    fps: float = 25.0,
) -> dict:
    """Lifts keypoints, lays the clip over its video and measures how far it is off.

    Args:
        pose: a `.pose` file, or OpenPose's JSON.
        output: `.mp4`, or `.png` for a strip of frames.
        video: which the keypoints are of; without one the ground is dark.
        lift: mode of `poses.lift`.
        fps: frames per second, where the keypoints do not say.

    Returns:
        `frames`, and the distance as in `pixel_distances`: `mean` and `p95` in pixels and
        `mean_shoulder_widths`, and the `share` of joints that it is over.

    Raises:
        PoseFormatError, DataError: unreadable keypoints or video, or a video of another length.
        OutputError: another suffix, or a place that cannot be written.
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
    with contextlib.ExitStack() as stack:
        part = stack.enter_context(replacing(output))
        shown = stack.enter_context(contextlib.closing(video_pictures(video))) if video else None
        if output.suffix.lower() == ".png":
            overlay_strip(clip, keypoints, shown).save(part, format="png")
        else:
            write_video(Path(part), _pictures(clip, keypoints, shown, projection), fps)
    return {"frames": len(clip)} | measure(clip, keypoints)


def measure(clip: PoseClip, keypoints: np.ndarray) -> dict[str, float]:
    """How far a projected clip is from its keypoints; see `overlay`."""
    apart = pixel_distances(clip, keypoints)
    if not len(apart):
        raise PoseFormatError(f"no keypoint has a confidence of {CONFIDENT}")
    return {
        "mean": float(apart.mean()),
        "p95": float(np.quantile(apart, 0.95)),
        "mean_shoulder_widths": float(apart.mean() / fit_projection(clip, keypoints).scale),
        "share": len(apart) / clip.confidence.size,
    }


def _pictures(clip, keypoints, video, projection) -> Iterator[np.ndarray]:
    for frame, picture in enumerate(_grounds(keypoints, video)):
        width, height = (side - side % 2 for side in picture.size)
        drawn = draw_overlay(picture, clip, keypoints, frame, projection)
        yield np.asarray(drawn.crop((0, 0, width, height)))
