"""Which joint of a `.bvh` or `.glb` is which of a clip, and where it should be."""

from signllm_jax.core.skeleton import OPENPOSE50
from signllm_jax.render.rig import LEG, SHOULDER, SPINE, WAIST

JOINTS = {"neck": "Neck"}
for _side in ("right", "left"):
    JOINTS |= {f"{_side}_shoulder": f"{_side.title()}Arm", f"{_side}_wrist": f"{_side.title()}Hand"}
    for _finger, _name in (("thumb", "Thumb"), ("index", "Index"), ("little", "Pinky")):
        JOINTS |= {f"{_side}_{_finger}_{n}": f"{_side.title()}Hand{_name}{n}" for n in (1, 2, 3)}


def meters(clip, joint):
    """Where a joint of a clip is [T, 3] on a figure that stands on the floor, y up."""
    place = clip.positions[:, OPENPOSE50.index(joint)] * (1, -1, -1)
    return (place + (0, LEG + WAIST + SPINE, 0)) * SHOULDER
