"""Draws skeletons: a frame, and a contact strip of a clip with or without its reference.

Pillow draws at `_SCALE` times the size and reduces the picture, which is antialiasing in a tenth of
the time of a plotting library. Fingers are drawn one by one, the farthest first, each on a thin
halo that separates crossed fingers. Joints of confidence 0 are not drawn. The page draws the same
figure with `static/figure.js`; a test in a browser compares the two pictures.
"""

import itertools
import re
from collections.abc import Sequence
from importlib.resources import files

import numpy as np
from PIL import Image, ImageDraw

from signllm_jax.core.skeleton import Layout
from signllm_jax.poses.clip import PoseClip
from signllm_jax.render.lettering import font, write_lines
from signllm_jax.render.view import View, signing_view

COLOURS: dict[str, str] = dict(
    re.findall(
        r"--(\w+): (#\w+)",
        (files("signllm_jax.render") / "static" / "player.css").read_text("utf-8").split("}")[0],
    )
)
"""The light colors of the page, which are also those of pictures."""
PAPER, CARD, INK, MUTED, ACCENT = (
    COLOURS[name] for name in ("paper", "card", "ink", "muted", "accent")
)
_HANDS = ("left_hand", "right_hand")
_SCALE = 3


def draw_frame(
    clip: PoseClip, index: int, view: View, size: tuple[int, int], only: str | None = None
) -> Image.Image:
    """Draws one frame of a clip.

    Args:
        clip: Clip of any layout.
        index: Number of the frame.
        view: Part of space to show, from `view.signing_view`.
        size: Width and height of the picture in pixels.
        only: Hand to draw alone; None = the whole signer.
    """
    positions, layout = clip.positions[index], clip.skeleton
    big = (size[0] * _SCALE, size[1] * _SCALE)
    image = Image.new("RGB", big, CARD)
    points, seen = view.project(positions, big), clip.observed[index]
    pen = _Pen(ImageDraw.Draw(image), points, seen, view.pixels(big))
    if only is None:
        _draw_body(pen, layout)
    depth = view.depth(positions)
    hands = [(name, list(layout.groups[name])) for name in _HANDS if only in (None, name)]
    for name, joints in sorted(hands, key=lambda hand: -round(float(depth[hand[1]].mean()), 2)):
        _draw_hand(pen, joints, depth, name)
    return image.reduce(_SCALE)


class _Pen:
    """Draws round strokes between observed joints; widths are in shoulder widths."""

    def __init__(self, draw, points, seen, unit):
        self.draw, self.seen, self.unit = draw, seen, unit
        self.points = [(float(x), float(y)) for x, y in points]

    def dot(self, point, radius, colour):
        (x, y), r = point, radius * self.unit
        self.draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)

    def chain(self, joints, width, colour, halo=None):
        """A limb or finger through `joints`, broken where one is missing."""
        pairs = [(a, b) for a, b in itertools.pairwise(joints) if self.seen[a] and self.seen[b]]
        strokes = ([(width + 0.018, halo)] if halo else []) + [(width, colour)]
        for (across, fill), joints in itertools.product(strokes, pairs):
            line = [self.points[joint] for joint in joints]
            self.draw.line(line, fill=fill, width=max(round(across * self.unit), 1))
            for point in line:
                self.dot(point, across / 2, fill)

    def area(self, joints, colour, round_by=0.0):
        if all(self.seen[joint] for joint in joints):
            corners = [self.points[joint] for joint in joints]
            self.draw.polygon(corners, fill=colour)
            width = max(round(round_by * self.unit), 1)
            self.draw.line([*corners, corners[0]], fill=colour, width=width, joint="curve")


def _draw_body(pen: _Pen, layout: Layout) -> None:
    names = ("left_shoulder", "right_shoulder", "neck", "nose")
    left, right, neck, nose = map(layout.index, names)
    if pen.seen[left] and pen.seen[right]:
        (ax, ay), (bx, by) = pen.points[right], pen.points[left]
        wide, waist, down = 0.12 * pen.unit * np.sign(bx - ax), 1.6 * pen.unit, 3.5 * pen.unit
        tuck = 0.14 * (bx - ax)
        right_edge = [(ax + tuck, ay + down), (ax + tuck, ay + waist), (ax - wide, ay)]
        left_edge = [(bx + wide, by), (bx - tuck, by + waist), (bx - tuck, by + down)]
        pen.draw.polygon(right_edge + left_edge, fill=COLOURS["torso"])
        pen.draw.line([(ax, ay), (bx, by)], fill=COLOURS["torso"], width=round(0.24 * pen.unit))
        for point in ((ax, ay), (bx, by)):
            pen.dot(point, 0.12, COLOURS["torso"])
    if pen.seen[nose]:
        if pen.seen[neck]:
            stub = [pen.points[neck], pen.points[nose]]
            pen.draw.line(stub, fill=COLOURS["head"], width=round(0.2 * pen.unit))
        x, y = pen.points[nose]
        wide, tall, up = 0.24 * pen.unit, 0.33 * pen.unit, 0.04 * pen.unit
        pen.draw.ellipse((x - wide, y - up - tall, x + wide, y - up + tall), fill=COLOURS["head"])
        pen.dot((x, y), 0.022, COLOURS["face"])
    for joint in layout.groups.get("face", ()):
        if pen.seen[joint]:
            pen.dot(pen.points[joint], 0.012, COLOURS["face"])
    for side in ("left", "right"):
        arm = (f"{side}_{part}" for part in ("shoulder", "elbow", "wrist", "hand_wrist"))
        pen.chain(map(layout.index, arm), 0.085, COLOURS["limb"], CARD)


def _draw_hand(pen: _Pen, joints: Sequence[int], depth: np.ndarray, name: str) -> None:
    wrist, *rest = joints
    pen.area([wrist, *rest[::4]], COLOURS[f"{name}_palm"], 0.05)
    # the farthest finger first; at the same depth the thumb is the nearest
    fingers = [(rest[4 * n : 4 * n + 4], COLOURS[f"{name}_{n}"]) for n in (4, 3, 2, 1, 0)]
    fingers.sort(key=lambda finger: -round(float(depth[finger[0]].mean()), 2))
    for chain, colour in fingers:
        pen.chain([wrist, chain[0]], 0.02, colour)
    for chain, colour in fingers:
        pen.chain(chain, 0.05, colour, PAPER)
        if 0.05 * pen.unit > 8 * _SCALE:  # in a smaller picture dots would hide the fingers
            for joint in chain:
                if pen.seen[joint]:
                    pen.dot(pen.points[joint], 0.009, PAPER)


def contact_strip(
    produced: PoseClip,
    reference: PoseClip | None = None,
    text: str = "",
    frames: int = 8,
    side: bool = False,
    height: int = 240,
    names: tuple[str, str] = ("reference", "produced"),
) -> Image.Image:
    """A picture of evenly spaced frames of a clip, below those of its reference if there is one.

    Both rows have the same scale, and start and end with their clip; each frame shows its time.

    Args:
        produced: Produced clip.
        reference: Real clip of the same text.
        text: Text above the frames.
        frames: Number of frames of each clip.
        side: Whether the view is from the side, see `View`.
        height: Height of a frame in pixels.
        names: Titles of the reference's and the produced clip's rows.

    Raises:
        OutputError: there is no frame.
    """
    rows = [(name, clip) for name, clip in zip(names, (reference, produced)) if clip]
    view = signing_view([clip for _, clip in rows], side)
    cell = (round(height * view.width / view.height), height)
    gap, edge, label = 6, 16, 22 if reference is not None else 0
    width = 2 * edge + frames * (cell[0] + gap) - gap
    title, head, row_height = Image.new("RGB", (width, 100), PAPER), edge, height + label + gap
    if text:
        at = (edge, edge - 4)
        head += 8 + 31 * write_lines(ImageDraw.Draw(title), at, text, width - 2 * edge, 24, INK)
    image = Image.new("RGB", (width, head + len(rows) * row_height - gap + edge), PAPER)
    image.paste(title)
    draw = ImageDraw.Draw(image)
    for row, (name, clip) in enumerate(rows):
        top = head + row * row_height
        if label:
            draw.text((edge, top), name, MUTED, font(14))
        for column, index in enumerate(np.linspace(0, len(clip) - 1, frames).round().astype(int)):
            left = edge + column * (cell[0] + gap)
            image.paste(draw_frame(clip, index, view, cell), (left, top + label))
            corner = (left + cell[0] - 7, top + label + height - 6)
            draw.text(corner, f"{index / clip.fps:.1f} s", MUTED, font(12), anchor="rs")
    return image
