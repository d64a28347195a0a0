"""Corpora of four forms of poses that tests write, and what must come out of preparing them."""

import collections
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from signers import openpose_person, signer

from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.pose_file import write_pose_file

HEADER = "id,text,split,language,start,end"
UNLISTED = "not named by the manifest"
MACOS = "a file of macOS (._)"
FRAMES = 30
FLAGS = {
    "pose": (),
    "openpose": ("--fps=25",),
    "dwpose": ("--fps=25",),
    "mediapipe": ("--fps=25", "--picture=1280x720"),
}
"""Form of the poses -> what its command is told besides."""
_COCO = {0: 0, 5: 5, 6: 2, 7: 6, 8: 3, 9: 7, 10: 4}  # of COCO's points, openpose50's
_HOLISTIC = {0: 0, 12: 2, 14: 3, 16: 4, 11: 5, 13: 6, 15: 7}  # of MediaPipe's


class Corpus:
    """Writes clips and the rows of their table, and counts what must come out.

    Attributes:
        form: Of the poses.
        source: Folder of the clips.
        rows: Lines of the table.
        out: Clips that must be prepared.
        lost, others, odd, repairs: What must stand in the report under these names.
    """

    def __init__(self, folder: Path, form: str):
        self.form, self.source, self.table = form, folder / "src", folder / "all.csv"
        self.rows: list[str] = []
        self.out = 0
        self.lost, self.others, self.odd, self.repairs = (collections.Counter() for _ in range(4))
        self.source.mkdir(parents=True)

    def row(self, name, text="some words", split="train", language="asl", start="", end=""):
        self.rows.append(f"{name},{text},{split},{language},{start},{end}")

    def good(self, name: str, number: int = 0) -> None:
        """A clip without a fault."""
        self.write(name, signer(FRAMES + number % 7, swing=40 + number % 30))
        self.row(name)
        self.out += 1

    def write(self, name: str, points: np.ndarray) -> None:
        """Writes pixels [T, 50, 3], or those of several people [T, people, 50, 3]."""
        WRITERS[self.form](self.source, name, points)

    def prepared(self, name: str, points: np.ndarray, **counts) -> None:
        """A clip that is prepared though something is repaired or odd about it."""
        self.write(name, points)
        self.row(name)
        self.out += 1
        self.repairs.update(counts.get("repairs", {}))
        self.odd.update(counts.get("odd", ()))

    def refused(self, name: str, points: np.ndarray, reason: str) -> None:
        """A clip that is lost."""
        self.write(name, points)
        self.row(name)
        self.lost[reason] += 1

    def spoilt(self, name: str, change: Callable[[Path], None], reason: str) -> None:
        """A clip whose file is changed, so that it is lost for a reason, or prepared without."""
        self.write(name, signer(FRAMES))
        change(next(path for path in self.source.glob(f"{name}*") if path.name[0] != "."))
        self.row(name)
        if reason:
            self.lost[reason] += 1
        else:
            self.out += 1


def write_pose(source: Path, name: str, points: np.ndarray) -> None:
    points = points if points.ndim == 3 else points[:, 0]
    positions = np.zeros(points.shape, np.float32)
    positions[..., :2] = (points[..., :2] - (640, 300)) / 200
    clip = PoseClip(positions, points[..., 2].astype("f4"), 25.0)
    write_pose_file(source / f"{name}.pose", clip, header="holistic")


def frames_of(points: np.ndarray, **form) -> list[dict]:
    """OpenPose's JSON of each frame."""
    people = points if points.ndim == 4 else points[:, None]
    return [
        {"version": 1.3, "people": [openpose_person(person, **form) for person in frame]}
        for frame in people
    ]


def write_folder(source: Path, name: str, frames: list[dict]) -> None:
    (source / name).mkdir()
    for number, frame in enumerate(frames):
        path = source / name / f"{name}_{number:012d}_keypoints.json"
        path.write_text(json.dumps(frame))


def write_openpose(source: Path, name: str, points: np.ndarray) -> None:
    """A folder of one file a frame; of every other good clip the frames in one file."""
    write_folder(source, name, frames_of(points))


def wholebody(points: np.ndarray) -> dict[str, np.ndarray]:
    """COCO-WholeBody's 133 points, as rtmlib gives them."""
    people = points if points.ndim == 4 else points[:, None]
    keypoints = np.zeros((*people.shape[:2], 133, 3), np.float32)
    for row, joint in _COCO.items():
        keypoints[:, :, row] = people[:, :, joint]
    keypoints[:, :, 91:133] = people[:, :, 8:]
    return {"keypoints": keypoints[..., :2], "scores": keypoints[..., 2]}


def write_dwpose(source: Path, name: str, points: np.ndarray) -> None:
    np.savez(source / f"{name}.npz", **wholebody(points))


def landmarks(points: np.ndarray, face: int = 468) -> np.ndarray:
    """MediaPipe's numbers of each frame, parts of a picture of 1280 x 720."""
    points = points.copy()
    points[..., :2] /= (1280, 720)
    body = np.zeros((len(points), 33, 4))
    for row, joint in _HOLISTIC.items():
        body[:, row, [0, 1, 3]] = points[:, joint]
    hands = np.where(points[:, 8:, 2:] > 0, points[:, 8:], 0) * (1, 1, 0)
    parts = (body, np.zeros((len(points), face, 3)), hands)
    return np.concatenate([part.reshape(len(points), -1) for part in parts], axis=1)


def write_mediapipe(source: Path, name: str, points: np.ndarray) -> None:
    (source / name).mkdir()
    for number, frame in enumerate(landmarks(points)):
        np.save(source / name / f"{number}.npy", frame)


WRITERS = {
    "pose": write_pose,
    "openpose": write_openpose,
    "dwpose": write_dwpose,
    "mediapipe": write_mediapipe,
}
