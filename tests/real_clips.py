"""Real clips for tests, read without the package's own readers."""

import csv
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np

from signllm_jax.poses.clip import PoseClip

NECK, SHOULDERS = 1, (2, 5)
_BODY = (0, -1, 12, 14, 16, 11, 13, 15)  # openpose50's body among MediaPipe's 33, the neck made


@cache
def phoenix(shared_data: Path, split: str = "dev") -> list[PoseClip]:
    """The five sentences of a split of ../shared/data/phoenix: 42 to 185 frames at 25 a second."""
    clips = []
    for line in (shared_data / "phoenix" / f"{split}.skels").read_text().splitlines():
        frames = np.array(line.split(), np.float64).reshape(-1, 151)[:, :150].reshape(-1, 50, 3)
        frames *= [-1, 1, -1]  # its signers face the other way: their right is on the right
        clips.append(_clip(frames, np.ones(frames.shape[:2])))
    return clips


@cache
def letters(iso: str = "ase", count: int = 4) -> list[PoseClip]:
    """Fingerspelled letters out of the package spoken-to-signed, hands missing where unseen."""
    from pose_format import Pose

    folder = files("spoken_to_signed") / "assets" / "fingerspelling_lexicon" / iso
    clips = []
    for path in sorted(folder.iterdir(), key=lambda path: path.name)[: count + 1]:
        if not path.name.endswith(".pose"):
            continue
        body = Pose.read(path.read_bytes()).body
        xyz, seen = body.data.filled(0)[:, 0], body.confidence[:, 0]
        neck = (xyz[:, 11] + xyz[:, 12]) / 2, np.minimum(seen[:, 11], seen[:, 12])
        points = [neck if joint < 0 else (xyz[:, joint], seen[:, joint]) for joint in _BODY]
        points += [(xyz[:, joint], seen[:, joint]) for joint in range(511, 553)]
        positions, confidence = (np.stack(values, axis=1) for values in zip(*points))
        clips.append(_clip(positions, confidence, body.fps))
    return clips[:count]


@cache
def real_takes(shared_data: Path, count: int = 4) -> dict[str, list[list[PoseClip]]]:
    """Text -> its first takes in each of two recording sessions, of ../shared/data/takes."""
    from signllm_jax.poses.pose_file import read_pose_file

    sessions: dict[str, dict[str, list[Path]]] = {}
    with open(shared_data / "takes" / "index.csv", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["language"] == "asl":
                path = shared_data / "takes" / "asl" / f"{row['id']}.pose"
                sessions.setdefault(row["text"], {}).setdefault(row["signer"], []).append(path)
    return {
        text: [[read_pose_file(path) for path in own[:count]] for own in chosen]
        for text, found in sessions.items()
        if len(chosen := [own for own in found.values() if len(own) >= 8][:2]) == 2
    }


def _clip(positions, confidence, fps=25.0):
    right, left = (positions[:, joint, :2] for joint in SHOULDERS)
    width = np.median(np.linalg.norm(right - left, axis=-1))
    positions = (positions - np.median(positions[:, NECK], axis=0)) / width
    positions = np.where(confidence[..., None] > 0, positions, 0)
    return PoseClip(positions.astype(np.float32), confidence.astype(np.float32), float(fps))
