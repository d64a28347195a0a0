"""The 2D-to-3D lift: seconds of CPU for clips of OpenPose, cold and warm, in both modes.

Cold counts a fresh process, imports and compilation included; warm counts the lift alone. The
original (TensorFlow 1, 1000 steps) took about 43 CPU seconds for five clips of 684 frames.

    python launch/benchmark.py lift --clips=FOLDER_OF_OPENPOSE_FOLDERS
"""

import functools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from absl import flags

from launch.benchmarks.rows import row, timed
from signllm_jax.core.errors import DataError
from signllm_jax.poses import lift
from signllm_jax.poses.lift_best import USUAL_LENGTHS
from signllm_jax.poses.openpose import read_openpose_keypoints
from signllm_jax.poses.tree import JOINTS, LENGTH_OF, PARENT

_CLIPS = flags.DEFINE_string("clips", "", "folder of OpenPose clip folders; default: made clips")

_LENGTHS = (210, 180, 123, 109, 62)  # frames of the made clips, 684 as the original was timed on
_FPS = 24.0
_ROUNDS = 3


def made_clips() -> list[np.ndarray]:
    """Clips of a signer whose bones swing: float32 [T, 50, 3], pixels and confidence."""
    clips = []
    for frames in _LENGTHS:
        random = np.random.default_rng(frames)
        time_of = np.linspace(0, frames / 10, frames)[:, None]
        angle = random.uniform(-np.pi, np.pi, JOINTS)
        angle = angle + 0.3 * np.sin(time_of + random.uniform(0, 6, JOINTS))
        angle[:, [1, 2, 5]] = np.pi / 2, np.pi, 0  # the neck below the nose, level shoulders
        points = np.zeros((frames, JOINTS, 3), np.float32)
        points[:, :, 2] = random.uniform(0.5, 1, (frames, JOINTS))
        points[:, 0, :2] = 640, 200
        for joint in range(1, JOINTS):
            length = 200 * USUAL_LENGTHS[LENGTH_OF[joint]]
            bone = np.stack([np.cos(angle[:, joint]), np.sin(angle[:, joint])], 1)
            points[:, joint, :2] = points[:, PARENT[joint], :2] + length * bone
        clips.append(points)
    return clips


def clips_of(folder: str) -> list[np.ndarray]:
    """The clips to lift: every folder of `folder`, or made ones where it is empty."""
    if not folder:
        return made_clips()
    paths = sorted(path for path in Path(folder).glob("*") if path.is_dir())
    if not paths:
        raise DataError(f"{folder}: no folders of OpenPose clips in it")
    return [read_openpose_keypoints(path) for path in paths]


def lift_all(clips: list[np.ndarray], mode: str) -> None:
    """Lifts every clip once."""
    for keypoints in clips:
        lift.lift_keypoints(keypoints, _FPS, mode)


def rows() -> Iterator[dict]:
    """Yields a row for each mode, cold and warm; a warm row is the mean of its rounds."""
    clips = clips_of(_CLIPS.value)
    frames = sum(map(len, clips))
    for mode in lift.MODES:
        lift_all(clips, mode)  # compiles
        rounds = [timed(lambda mode=mode: lift_all(clips, mode))[:2] for _ in range(_ROUNDS)]
        for variant, (cpu, wall) in (("cold", _cold(mode)), ("warm", np.mean(rounds, 0).tolist())):
            yield row("lift", f"{mode}-{variant}", cpu, wall, frames, "frames")


def _cold(mode: str) -> tuple[float, float]:
    program = (
        "import sys; from launch.benchmarks import lift; "
        "lift.lift_all(lift.clips_of(sys.argv[1]), sys.argv[2])"
    )
    command = [sys.executable, "-c", program, _CLIPS.value, mode]
    run = functools.partial(subprocess.run, command, stderr=subprocess.PIPE, text=True, check=False)
    cpu, wall, done = timed(run)
    if done.returncode:
        raise DataError(f"the lift failed in a process of its own: {done.stderr.strip()[-200:]}")
    return cpu, wall
