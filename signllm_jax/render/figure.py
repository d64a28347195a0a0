"""Drawing of skeletons: one frame, and a contact strip of a clip or of a clip and its reference.

Drawn with Pillow at `_SCALE` times the size and reduced, which is antialiasing for a tenth of the
time that a plotting library takes. Fingers are drawn one by one, the farthest first, each on a thin
halo, so that crossed fingers stay apart. A joint of confidence 0 is not drawn. The page draws the
same figure with `static/figure.js`; a test in a browser holds one picture against the other.
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
"""The light colors of the page: pictures are drawn in them too."""
PAPER, CARD, INK, MUTED, ACCENT = (
    COLOURS[name] for name in ("paper", "card", "ink", "muted", "accent")
)
_HANDS = ("left_hand", "right_hand")
_SCALE = 3


def draw_frame(
    positions: np.ndarray,
    confidence: np.ndarray,
    layout: Layout,
    view: View,
    size: tuple[int, int],
    only: str | None = None,
) -> Image.Image:
    """Draws one pose.

    Args:
        positions: float [J, 3], shoulder widths.
        confidence: float [J], 0 = missing.
        layout: names the joints.
        view: what to show, from `view.signing_view`.
        size: width and height of the picture in pixels.
        only: the hand that is drawn alone; None = the whole signer.
    """
    big = (size[0] * _SCALE, size[1] * _SCALE)
    image = Image.new("RGB", big, CARD)
    pen = _Pen(ImageDraw.Draw(image), view.project(positions, big), confidence > 0, view, big)
    if only is None:
        _draw_body(pen, layout)
    depth = view.depth(positions)
    hands = [(name, list(layout.groups[name])) for name in _HANDS if only in (None, name)]
    for name, joints in sorted(hands, key=lambda hand: -round(float(depth[hand[1]].mean()), 2)):
        _draw_hand(pen, joints, depth, name)
    return image.reduce(_SCALE)


class _Pen:
    """Round strokes between observed joints, in widths of shoulder widths."""

    def __init__(self, draw, points, seen, view, size):
        self.draw, self.seen = draw, seen
        self.points = [(float(x), float(y)) for x, y in points]
        self.unit = view.pixels(size)

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
    index = {name: number for number, name in enumerate(layout.joints)}
    left, right, neck, nose = (
        index[name] for name in ("left_shoulder", "right_shoulder", "neck", "nose")
    )
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
        arm = [index[f"{side}_{part}"] for part in ("shoulder", "elbow", "wrist", "hand_wrist")]
        pen.chain(arm, 0.085, COLOURS["limb"], CARD)


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

    Both rows have one scale, and start and end with their clip; each frame's time is written in.

    Args:
        produced: the clip.
        reference: the real clip of the same text.
        text: written above.
        frames: how many of each clip.
        side: seen from the side, see `View`.
        height: of one frame, in pixels.
        names: what is written over the reference's and the clip's rows.

    Raises:
        OutputError: a clip has no frames.
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
            draw.text((edge, top), name, fill=MUTED, font=font(14))
        for column, index in enumerate(np.linspace(0, len(clip) - 1, frames).round().astype(int)):
            left, pose = (
                edge + column * (cell[0] + gap),
                (clip.positions[index], clip.confidence[index]),
            )
            image.paste(draw_frame(*pose, clip.skeleton, view, cell), (left, top + label))
            time, corner = (
                f"{index / clip.fps:.1f} s",
                (left + cell[0] - 7, top + label + height - 6),
            )
            draw.text(corner, time, fill=MUTED, font=font(12), anchor="rs")
    return image
