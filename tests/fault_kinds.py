"""Every known fault of a clip: each writes one and says what must become of it.

A fault takes a corpus and the name of a clip.
"""

import gzip
import json
import zipfile
from collections.abc import Callable

import numpy as np
from fault_corpora import (
    FRAMES,
    MACOS,
    frames_of,
    landmarks,
    wholebody,
    write_folder,
    write_mediapipe,
)
from fault_rows import TABLE
from signers import signer


def nobody(corpus, name):
    points = signer(FRAMES)
    points[:] = 0
    every = f"nobody in any of {FRAMES} frames"
    in_pose = "no frame shows both shoulders"
    corpus.refused(name, points, in_pose if corpus.form == "pose" else every)


def no_hands(corpus, name):
    points = signer(FRAMES)
    points[:, 8:] = 0
    corpus.refused(name, points, "a hand in fewer than 10% of its frames")


def one_frame(corpus, name):
    corpus.refused(name, signer(1), "1 frames at 25 a second")


def rare_hands(corpus, name):
    points = signer(FRAMES)
    points[6:, 8:] = 0
    corpus.prepared(name, points, odd=["hands that are rarely seen"])


def swapped_sides(corpus, name):
    points = signer(FRAMES)
    points[..., 0] = 1280 - points[..., 0]
    corpus.prepared(name, points, odd=["left and right swapped, or seen from behind"])


def squeezed(corpus, name):
    points = signer(FRAMES)
    points[..., 0] = 640 + (points[..., 0] - 640) * 9 / 16
    kinds = (
        "arms of an impossible length",
        ("a head too near to or too far from the shoulders, as in squeezed pictures"),
    )
    corpus.prepared(name, points, odd=kinds)


def two_people(corpus, name):
    listener = signer(FRAMES, x=350.0, swing=0)
    corpus.prepared(
        name,
        np.stack([listener, signer(FRAMES, x=900.0)], axis=1),
        repairs={
            "frames with several people": FRAMES,
            "poses of other people left out": FRAMES,
        },
    )


def parts_of_a_picture(corpus, name):
    points = signer(FRAMES)
    points[..., :2] /= (1280, 720)
    reason = "coordinates are parts of a picture whose size is not known (0 to 1, or -1 to 1): "
    corpus.refused(name, points, f"{reason}give --picture=WIDTHxHEIGHT")


def damaged_pose(corpus, name):
    def cut(path):
        path.write_bytes(path.read_bytes()[:-100])

    corpus.spoilt(name, cut, "not a readable .pose file (it ends too early)")


def _rated(fps: float, reason: str, odd=()):
    """Another rate in the file, which has version 0.2: the last number before the points."""

    def fault(corpus, name):
        def change(path):
            from pose_format import Pose

            pose = Pose.read(path.read_bytes())
            pose.body.fps = fps
            with open(path, "wb") as file:
                pose.write(file)

        corpus.spoilt(name, change, reason)
        corpus.odd.update(odd)

    return fault


def not_finite(corpus, name):
    def change(path):
        from pose_format import Pose

        pose = Pose.read(path.read_bytes())
        index = pose.header.get_point_index("LEFT_HAND_LANDMARKS", "INDEX_FINGER_TIP")
        pose.body.data[:3, 0, index, 0] = np.nan
        with open(path, "wb") as file:
            pose.write(file)

    corpus.spoilt(name, change, "")
    corpus.repairs["joints not finite"] += 3


def macos_pose(corpus, name):
    corpus.good(name)
    (corpus.source / f"._{name}.pose").write_bytes(b"\0\5\26\7")
    corpus.lost[MACOS] += 1


def damaged_frame(corpus, name):
    def cut(folder):
        path = sorted(folder.iterdir())[5]
        path.write_text(path.read_text()[:37])

    corpus.spoilt(name, cut, "Unterminated string starting at: line 1 column 30 (char 29)")


def empty_frames(corpus, name):
    def change(folder):
        files = sorted(folder.iterdir())
        files[5].write_text("")
        files[6].write_text('{"people": []}')
        files[7].unlink()
        (folder / f"._{files[8].name}").write_bytes(b"\0\5\26\7")

    corpus.spoilt(name, change, "")
    corpus.repairs.update({"frames without a person": 2, "frames without a file": 1})


def other_keys(corpus, name):
    frames = json.loads(json.dumps(frames_of(signer(FRAMES))).replace("_keypoints", "_landmarks"))
    write_folder(corpus.source, name, frames)
    corpus.row(name)
    corpus.lost["a person has keys that are not known: pose_landmarks_2d"] += 1


def forms_of_openpose(corpus, name):
    """OpenPose 1.0's keys, AI-Hub's one person, and clips in one file."""
    frames = frames_of(signer(FRAMES))
    first = [frame | {"people": frame["people"][0]} for frame in frames]
    write_folder(corpus.source, f"{name}a", frames_of(signer(FRAMES), ending="", body=18))
    write_folder(corpus.source, f"{name}b", first)
    (corpus.source / f"{name}c.json").write_text(json.dumps(frames))
    by_number = {"frames": {str(number): frame for number, frame in enumerate(frames)}}
    whole = gzip.compress(json.dumps(by_number).encode())
    (corpus.source / f"{name}d.json.gz").write_bytes(whole)
    with zipfile.ZipFile(corpus.source / f"{name}e.zip", "w") as archive:
        for number, frame in enumerate(frames):
            archive.writestr(f"{name}_{number:012d}_keypoints.json", json.dumps(frame))
    for letter in "abcde":
        corpus.row(f"{name}{letter}")
    corpus.out += 5


def damaged_npz(corpus, name):
    def cut(path):
        path.write_bytes(path.read_bytes()[:-200])

    corpus.spoilt(name, cut, "not a readable archive: File is not a zip file")


def other_points(corpus, name):
    np.savez(
        corpus.source / f"{name}.npz",
        keypoints=np.ones((FRAMES, 1, 17, 2)),
        scores=np.ones((FRAMES, 1, 17)),
    )
    corpus.row(name)
    shape = "not [people, 133, 134 or 136, 2 or 3]"
    corpus.lost[f"frame 0: keypoints have shape (1, 17, 2), {shape}"] += 1


def objects(corpus, name):
    """An array of Python objects, which are not unpickled."""

    class Bad:
        def __reduce__(self):
            return exec, ("raise SystemExit",)

    np.savez(corpus.source / f"{name}.npz", keypoints=np.array([Bad()], object))
    corpus.row(name)
    corpus.lost["member 'keypoints': a call of builtins.exec"] += 1


def forms_of_wholebody(corpus, name):
    """The 134 points in OpenPose's order, MMPose's JSON, and a file a frame."""
    points = signer(FRAMES)
    ordered = np.zeros((FRAMES, 1, 134, 3), np.float32)
    ordered[:, 0, :8], ordered[:, 0, 92:] = points[:, :8], points[:, 8:]
    np.savez(corpus.source / f"{name}a.npz", keypoints=ordered[..., :2], scores=ordered[..., 2])
    whole = wholebody(points)
    instances = [
        {
            "frame_id": number,
            "instances": [{"keypoints": k.tolist(), "keypoint_scores": s.tolist()}],
        }
        for number, (k, s) in enumerate(zip(whole["keypoints"][:, 0], whole["scores"][:, 0]))
    ]
    (corpus.source / f"{name}b.json").write_text(json.dumps({"instance_info": instances}))
    (corpus.source / f"{name}c").mkdir()
    for number, (keypoints, scores) in enumerate(zip(whole["keypoints"], whole["scores"])):
        np.savez(
            corpus.source / f"{name}c" / f"{number:04d}.npz", keypoints=keypoints, scores=scores
        )
    for letter in "abc":
        corpus.row(f"{name}{letter}")
    corpus.out += 3


def other_numbers(corpus, name):
    (corpus.source / name).mkdir()
    for number in range(FRAMES):
        np.save(corpus.source / name / f"{number}.npy", np.zeros(126))
    corpus.row(name)
    corpus.lost["frames of 126 numbers, not of 1662 or of 258"] += 1


def damaged_npy(corpus, name):
    def cut(folder):
        path = folder / "7.npy"
        path.write_bytes(path.read_bytes()[:1000])

    corpus.spoilt(name, cut, "an array whose size is not its shape's")


def forms_of_landmarks(corpus, name):
    """Without a face, as one array of all frames, and with a frame that is not there."""
    points = signer(FRAMES)
    np.save(corpus.source / f"{name}a.npy", landmarks(points, face=0))
    write_mediapipe(corpus.source, f"{name}b", points)
    (corpus.source / f"{name}b" / "4.npy").unlink()
    corpus.row(f"{name}a")
    corpus.row(f"{name}b")
    corpus.out += 2
    corpus.repairs["frames without a file"] += 1


ANY = (nobody, no_hands, one_frame, rare_hands, swapped_sides, squeezed)
OWN = {
    "pose": (
        *(damaged_pose, not_finite, macos_pose),
        _rated(0.0, "0 frames per second mean a variable rate: give --fps"),
        _rated(
            1000.0,
            "1000 frames per second are the time base of a video, not its rate: give --fps",
        ),
        _rated(29.0, "", ["a rate that was cut to a whole number"]),
    ),
    "openpose": (
        *(two_people, parts_of_a_picture, damaged_frame, empty_frames, other_keys),
        forms_of_openpose,
    ),
    "dwpose": (two_people, damaged_npz, other_points, objects, forms_of_wholebody),
    "mediapipe": (other_numbers, damaged_npy, forms_of_landmarks),
}


def kinds(form: str) -> tuple[Callable, ...]:
    """The faults of a form."""
    return (*TABLE, *ANY, *OWN[form])
