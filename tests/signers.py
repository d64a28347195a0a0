"""A made-up signer for the readers' tests: both hands go up and down, in pixels of 1280 x 720."""

import numpy as np

from signllm_jax.core.skeleton import OPENPOSE50

_BODY = {
    "nose": (0, -90),
    "neck": (0, 0),
    "right_shoulder": (-100, 5),
    "right_elbow": (-130, 150),
    "right_wrist": (-60, 60),
    "left_shoulder": (100, 5),
    "left_elbow": (130, 150),
    "left_wrist": (60, 60),
}


def signer(frames=20, x=640.0, swing=60.0, confidence=0.9):
    """float64 [T, 50, 3] about a neck at (x, 300); shoulders are 200 pixels apart."""
    points = np.zeros((frames, OPENPOSE50.size, 3))
    wave = swing * np.sin(2 * np.pi * np.arange(frames) / 10)
    for joint, place in _BODY.items():
        points[:, OPENPOSE50.index(joint), :2] = place
    for side, way in (("right", 1), ("left", -1)):
        points[:, OPENPOSE50.index(f"{side}_wrist"), 1] += way * wave
        wrist = points[:, OPENPOSE50.index(f"{side}_wrist"), :2]
        for number, joint in enumerate(OPENPOSE50.groups[f"{side}_hand"]):
            finger, part = divmod(number - 1, 4)
            away = (8 * way * (2 - finger), -14 * (part + 1)) if number else (0, 0)
            points[:, joint, :2] = wrist + away
    points[..., :2] += (x, 300)
    points[..., 2] = confidence
    return points


def openpose_person(keypoints, ending="_2d", body=25):
    """One person of OpenPose's JSON of [50, 3]."""
    whole = np.zeros((body, 3))
    whole[:8] = keypoints[:8]
    parts = {"pose": whole, "hand_left": keypoints[8:29], "hand_right": keypoints[29:]}
    return {
        f"{name}_keypoints{ending}": part.round(4).ravel().tolist() for name, part in parts.items()
    }
