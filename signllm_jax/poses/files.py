"""Reads clips by the suffix of their file, whatever the format."""

import os
from pathlib import Path

from signllm_jax.core.errors import PoseFormatError
from signllm_jax.poses import arrays, json_files
from signllm_jax.poses.budget import BUDGET, Budget
from signllm_jax.poses.clip import PoseClip, register_method
from signllm_jax.poses.dwpose import read_dwpose
from signllm_jax.poses.frames import Repairs
from signllm_jax.poses.npz import load_npz
from signllm_jax.poses.openpose import read_openpose
from signllm_jax.poses.pose_file import read_pose_file
from signllm_jax.poses.skels import read_skels
from signllm_jax.poses.wholebody import is_wholebody

SUFFIXES = (".npz", ".pose", ".skels", ".json", ".zip")


def read_clip(
    path: str | os.PathLike, fps: float, repairs: Repairs | None = None, budget: Budget = BUDGET
) -> PoseClip:
    """Reads a file that holds one clip.

    Args:
        path: path of a `.npz` (our own arrays, DWPose or COCO-WholeBody), `.pose`, `.skels` of one
            line, `.json` or `.json.gz` (OpenPose or COCO-WholeBody), or OpenPose's `.zip`.
        fps: frames per second, where the format does not store them.
        repairs: counter to which the repairs are added.
        budget: limits of a clip.

    Returns:
        The clip; clips of OpenPose and DWPose are flat.

    Raises:
        PoseFormatError: the file is damaged, holds another number of clips, or has an unknown
            suffix; it names the file.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix == ".pose":
        return read_pose_file(path, repairs=repairs, budget=budget)
    if suffix == ".npz":
        archive = load_npz(path, budget)
        if arrays.is_clip(archive):
            return arrays.clip_of(archive, str(path), budget)
    in_json = suffix in json_files.SUFFIXES
    if suffix == ".npz" or (in_json and is_wholebody(json_files.load_json(path, budget))):
        return read_dwpose(path, fps, repairs=repairs, budget=budget)
    if in_json or suffix == ".zip":
        return read_openpose(path, fps, repairs, budget)
    if suffix == ".skels":
        clips = list(read_skels(path, fps, repairs=repairs, budget=budget))
        if len(clips) != 1 or clips[0] is None:
            raise PoseFormatError(f"{path}: {len(clips)} lines, not one clip")
        return clips[0]
    raise PoseFormatError(f"{path}: its suffix must be one of {' '.join(SUFFIXES)}")


register_method("load", read_clip)
