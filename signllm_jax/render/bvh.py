"""Writes a clip as `.bvh`: the joints of `render/rig.py`, for animation programs.

The file is in centimeters; the root moves and all joints turn.
"""

import io
from pathlib import Path

import numpy as np

from signllm_jax.poses.clip import PoseClip
from signllm_jax.render.rig import SHOULDER, Joint, make_rig
from signllm_jax.render.turning import zxy_degrees


def save_bvh(path: Path, clip: PoseClip) -> None:
    """Writes the clip; raises OutputError for a flat layout."""
    root, places = make_rig(clip, 100 * SHOULDER)
    lines = ["HIERARCHY", *_described(root, np.zeros(3), 0), "MOTION"]
    lines += [f"Frames: {len(clip)}", f"Frame Time: {1 / clip.fps:.8f}", ""]
    angles = [zxy_degrees(joint.local()) for joint in root.walk()]
    with io.StringIO() as motion:
        np.savetxt(motion, np.concatenate([places, *angles], axis=1), fmt="%.4f")
        path.write_text("\n".join(lines) + motion.getvalue(), encoding="ascii")


def _described(joint: Joint, offset: np.ndarray, depth: int) -> list[str]:
    """The lines of a joint and its descendants, at `offset` [3] from its parent."""
    pad, turns = "  " * depth, "Zrotation Xrotation Yrotation"
    offset_line = "OFFSET {:.4f} {:.4f} {:.4f}".format
    moves = f"6 Xposition Yposition Zposition {turns}" if joint.parent is None else f"3 {turns}"
    lines = [f"{pad}{'JOINT' if joint.parent else 'ROOT'} {joint.name}", pad + "{"]
    lines += [f"{pad}  {offset_line(*offset)}", f"{pad}  CHANNELS {moves}"]
    for child in joint.children:
        lines += _described(child, child.offset, depth + 1)
    if not joint.children:
        end = offset_line(*joint.end)
        lines += [f"{pad}  End Site", pad + "  {", f"{pad}    {end}", pad + "  }"]
    return [*lines, pad + "}"]
