"""Removes a signer's looks from a clip, for corpora whose signers may not be shown.

The package pose-anonymization replaces the proportions of the first frame by those of an average
signer. The movement of the hands stays, by which people who know a signer may still recognize them.
"""

import dataclasses
import tempfile
from pathlib import Path

import numpy as np

from signllm_jax.core.errors import ConfigError, PoseFormatError
from signllm_jax.core.skeleton import OPENPOSE50
from signllm_jax.core.wording import how_to_install
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.pose_file import read_pose_file, write_pose_file


def check_anonymizer() -> None:
    """Raises ConfigError where the package is missing."""
    try:
        import pose_anonymization.appearance  # noqa: F401
    except ImportError as error:
        raise ConfigError(f"--anonymize needs {error.name}: {how_to_install('demo')}") from None


def anonymized(clip: PoseClip) -> PoseClip:
    """The clip with an average signer's body instead of its own.

    In shoulder widths, hands and wrists stay where they are; the other joints are moved. The clip
    has another scale and origin afterwards. A clip without depth (z = 0 throughout) still has none.

    Args:
        clip: Clip of the layout openpose50, with depth or without.

    Raises:
        PoseFormatError: The layout is another one, or no frame shows both shoulders, whose distance
            is the unit in which bodies are compared.
    """
    from pose_anonymization.appearance import remove_appearance
    from pose_format import Pose

    if clip.layout != OPENPOSE50.name:
        raise PoseFormatError(f"a {clip.layout} clip cannot be anonymized")
    both_shoulders = clip.observed[:, [2, 5]].all(1)
    if not both_shoulders.any():
        raise PoseFormatError("no frame shows both shoulders: it cannot be anonymized")
    first = int(np.argmax(both_shoulders))
    with tempfile.TemporaryDirectory(prefix="signllm_jax-") as folder:
        path = Path(folder) / "clip.pose"
        write_pose_file(path, clip, "holistic")
        pose = Pose.read(path.read_bytes())
        # the package measures the body in the first frame: one that shows both shoulders is put
        # before the others, and taken away again
        pose.body = pose.body.select_frames([first, *range(len(clip))])
        average = remove_appearance(pose)
        average.body = average.body[1:]
        with path.open("wb") as file:
            average.write(file)
        made = read_pose_file(path, fps=clip.fps)
    flat = not clip.positions[..., 2].any()
    positions = made.positions * np.array([1, 1, 0], np.float32) if flat else made.positions
    return dataclasses.replace(made, positions=positions)
