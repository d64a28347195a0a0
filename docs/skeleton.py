"""Draws docs/skeleton.svg, the joints of openpose50 with their numbers: python docs/skeleton.py."""

import math
from pathlib import Path

from signllm_jax.core.skeleton import OPENPOSE50

PLACE = Path(__file__).with_name("skeleton.svg")
_SIZE = (1020, 490)
_NECK, _WIDTH = (510, 170), 150  # pixels: the neck, and a shoulder width
_BODY = {  # places of the body's joints in shoulder widths, seen from the front
    "nose": (0, -0.75),
    "neck": (0, 0),
    "right_shoulder": (-0.5, 0),
    "right_elbow": (-0.8, 0.8),
    "right_wrist": (-1.05, 1.5),
}
_COLOURS = {"body": "#64748b", "left_hand": "#2563eb", "right_hand": "#ea580c"}


def places() -> list[tuple[float, float]]:
    """Pixels of every joint: the body, and both hands spread out and enlarged."""
    made = {}
    for name in OPENPOSE50.joints:
        side = -1 if name.startswith("left_") else 1
        half = name.replace("left_", "right_")
        if half in _BODY:
            x, y = _BODY[half]
            made[name] = (_NECK[0] + side * x * _WIDTH, _NECK[1] + y * _WIDTH)
    for group in ("left_hand", "right_hand"):
        side = 1 if group == "left_hand" else -1
        wrist = (_NECK[0] + side * 340, 310)
        for number, joint in enumerate(OPENPOSE50.groups[group]):
            finger, part = divmod(number - 1, 4)
            angle = math.radians(-70 + 30 * finger) * side
            reach = 60 + 45 * part if number else 0
            place = (wrist[0] + reach * math.sin(angle), wrist[1] - reach * math.cos(angle))
            made[OPENPOSE50.joints[joint]] = place
    return [made[name] for name in OPENPOSE50.joints]


def draw() -> str:
    """The picture as SVG."""
    at = places()
    group_of = {joint: name for name, joints in OPENPOSE50.groups.items() for joint in joints}
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_SIZE[0]} {_SIZE[1]}" '
        'font-family="sans-serif" font-size="13" text-anchor="middle">',
        "<title>The 50 joints of openpose50, seen from the front</title>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
    ]
    for a, b in OPENPOSE50.bones:
        (ax, ay), (bx, by) = at[a], at[b]
        hangs = OPENPOSE50.joints[b].endswith("_hand_wrist")  # the hand is the arm's wrist again
        dash = ' stroke-dasharray="4 5"' if hangs else ""
        lines.append(
            f'<path d="M{ax:.0f} {ay:.0f}L{bx:.0f} {by:.0f}" stroke="{_COLOURS[group_of[b]]}" '
            f'stroke-width="3"{dash}/>'
        )
    for joint, (x, y) in enumerate(at):
        lines.append(
            f'<circle cx="{x:.0f}" cy="{y:.0f}" r="11" fill="{_COLOURS[group_of[joint]]}"/>'
            f'<text x="{x:.0f}" y="{y + 4.5:.0f}" fill="#ffffff">{joint}</text>'
        )
    for x, text in ((170, "right hand"), (510, "body"), (850, "left hand")):
        lines.append(f'<text x="{x}" y="{_SIZE[1] - 22}" fill="#1e293b">{text}</text>')
    return "\n".join([*lines, "</svg>\n"])


if __name__ == "__main__":
    PLACE.write_text(draw(), encoding="utf-8")
