"""`.bvh` files, read by a reader of its own kind: the joints are where the clip has them."""

import dataclasses

import numpy as np
import pytest
from real_clips import letters
from rigged import JOINTS, meters
from scipy.spatial.transform import Rotation

from signllm_jax.core.errors import OutputError
from signllm_jax.core.skeleton import OPENPOSE50
from signllm_jax.poses.clip import PoseClip


def read_bvh(path):
    """Places {joint: [T, 3]} in the file's unit, and seconds of a frame."""
    head, _, motion = path.read_text().partition("MOTION\n")
    frames, step, *rows = motion.splitlines()
    values = np.array([row.split() for row in rows], float)
    assert len(values) == int(frames.split()[1])
    column, stack, places = 0, [], {}
    for line in head.splitlines():
        word, *rest = line.split()
        if word in ("ROOT", "JOINT"):
            name = rest[0]
        elif word == "End":
            name = f"{name} end"
        elif word == "OFFSET":
            offset, parent = np.array(rest, float), stack[-1]
            if name.endswith(" end"):
                places[name] = parent[0] + parent[1].apply(offset)
        elif word == "CHANNELS":
            names, own = rest[1:], values[:, column : column + int(rest[0])].copy()
            column += int(rest[0])
            at = np.broadcast_to(offset, (len(values), 3))
            if names[0] == "Xposition":
                at, names, own = own[:, :3], names[3:], own[:, 3:]
            turn = Rotation.from_euler("".join(name[0] for name in names), own, degrees=True)
            if parent:
                at, turn = parent[0] + parent[1].apply(at.copy()), parent[1] * turn
            stack[-1] = at, turn
            places[name] = at
        elif word == "{":
            stack.append(stack[-1] if stack else None)  # where the one above is
        elif word == "}":
            stack.pop()
    assert column == values.shape[1]
    return places, float(step.split()[-1])


def test_hands_neck_and_shoulders_are_where_the_clip_has_them(tmp_path):
    clip = letters()[0]
    places, step = read_bvh(clip.save(tmp_path / "a.bvh"))
    assert step == pytest.approx(1 / clip.fps)
    for joint, name in JOINTS.items():
        seen = clip.observed[:, OPENPOSE50.index(joint)]
        off = np.linalg.norm(places[name] - 100 * meters(clip, joint), axis=-1)[seen]
        limit = 2.5 if joint == "right_wrist" else 1  # the hand is where the hand's own wrist is
        assert not seen.any() or off.mean() < limit, name
    lengths = np.linalg.norm(places["RightForeArm"] - places["RightArm"], axis=-1)
    assert np.ptp(lengths) < 0.01 * lengths.mean()  # bones do not stretch


def test_an_arm_hangs_down_where_it_is_not_shown(tmp_path):
    clip = letters()[0]
    confidence = clip.confidence.copy()
    for number, name in enumerate(OPENPOSE50.joints):
        if name in ("left_elbow", "left_wrist"):
            confidence[:, number] = 0
        elif name.startswith("right") and name != "right_shoulder":
            confidence[4:20, number] = 0
    confidence[2, OPENPOSE50.index("right_hand_wrist") :] = 0  # for a moment
    hidden = dataclasses.replace(clip, confidence=confidence)
    places, _ = read_bvh(hidden.save(tmp_path / "a.bvh"))
    for side, down in (("Left", slice(None)), ("Right", slice(11, 13))):
        chain = ("Arm", "ForeArm", "Hand", "HandIndex1", "HandIndex3 end")
        heights = np.array([places[side + name][down, 1] for name in chain])
        assert (np.diff(heights, axis=0) < -5).all()  # centimeters
    whole, _ = read_bvh(clip.save(tmp_path / "b.bvh"))
    off = np.linalg.norm(places["RightHandIndex3"] - whole["RightHandIndex3"], axis=-1)
    assert off[[0, 1, 3, 20, 23]].max() < 2 and off[2] < 6 < 50 < off[11]


def test_a_flat_clip_is_refused(tmp_path):
    clip = PoseClip(np.zeros((2, 128, 3)), np.ones((2, 128)), 25, "dwpose128")
    with pytest.raises(OutputError, match=r"a\.bvh.*no depth"):
        clip.save(tmp_path / "a.bvh")
