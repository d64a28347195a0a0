"""Corpora with every known fault mixed in, and what must become of them.

    python tests/faults.py --clips=5000

makes one for each form of poses, prepares and checks them by the commands, holds every count of the
reports against what was put in, and writes them into docs/prepare.md (`make faults`).
"""

import argparse
import collections
import gzip
import json
import subprocess
import sys
import tempfile
import time
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from signers import openpose_person, signer

from signllm_jax.core import markdown
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.pose_file import write_pose_file

ROOT = Path(__file__).resolve().parents[1]
SEED = 23
SHARE = 0.05
HEADER = "id,text,split,language,start,end"
UNLISTED = "in the folder, but not in the manifest"
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
    write_pose_file(source / f"{name}.pose", PoseClip(positions, points[..., 2].astype("f4"), 25.0))


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


# faults of the table, of clips of any form


def odd_rows() -> dict[str, str]:
    """Reason -> a row that is lost by it."""
    return {
        "no text": "{0},,train,asl,,",
        "a row with too few fields": "{0},some words",
        "a row with too many fields": "{0},one, two,train,asl,,",
        "a quote that is not closed": '{0},"some words,train,asl,,',
        "a quote in the wrong place": '{0},"some" words,train,asl,,',
        "unknown split 'extra'": "{0},some words,extra,asl,,",
        "a start or end that is no time": "{0},some words,train,asl,later,2",
        "a segment that ends before it begins": "{0},some words,train,asl,2,1",
        "its segment begins after the end of its file": "{0},some words,train,asl,90,91",
    }


def _row_fault(reason: str, row: str):
    def fault(corpus: Corpus, name: str) -> None:
        corpus.write(name, signer(FRAMES))
        corpus.rows.append(row.format(name))
        corpus.lost[reason] += 1

    return fault


def no_id(corpus, name):
    corpus.row("")
    corpus.lost["no id"] += 1


def no_file(corpus, name):
    corpus.row(name)
    corpus.lost["no pose file"] += 1


def no_row(corpus, name):
    corpus.write(name, signer(FRAMES))
    corpus.lost[UNLISTED] += 1


def twice(corpus, name):
    corpus.good(name)
    corpus.row(f"{name}.MOV")
    corpus.lost["listed twice"] += 1


def twice_with_another_text(corpus, name):
    corpus.write(name, signer(FRAMES))
    corpus.rows.append(f"{name},one,train,asl,,\n{name},two,train,asl,,")
    corpus.out += 1
    corpus.lost["listed twice with another text"] += 1


def other_language(corpus, name):
    corpus.write(name, signer(FRAMES))
    corpus.row(name, language="gsg")
    corpus.others["gsg"] += 1


def unusual_names(corpus, name):
    """A suffix in capitals, a decomposed name, a split in capitals, a language by its ISO code."""
    corpus.write(unicodedata.normalize("NFD", f"{name}ü"), signer(FRAMES))
    corpus.row(unicodedata.normalize("NFC", f"{name}ü.MP4"), split="TRAIN", language="ASE")
    corpus.out += 1


def segments(corpus, name):
    corpus.write(name, signer(60))
    corpus.row(name, end=1.2)
    corpus.row(name, start=1.2, end=2.4)
    corpus.row(name, start=1.2, end=9)
    corpus.out += 3
    corpus.repairs["segments that end after their file"] += 1


# faults of the poses


def nobody(corpus, name):
    points = signer(FRAMES)
    points[:] = 0
    every = f"nobody in any of {FRAMES} frames"
    corpus.refused(name, points, "the shoulders are never seen" if corpus.form == "pose" else every)


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


def long_text(corpus, name):
    corpus.write(name, signer(FRAMES))
    corpus.row(name, text=" ".join(["word"] * 40))
    corpus.out += 1
    corpus.odd["a length that does not fit the text"] += 1


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


TABLE = (
    *(_row_fault(*pair) for pair in odd_rows().items()),
    *(no_id, no_file, no_row, twice, twice_with_another_text, other_language),
    *(unusual_names, segments, long_text),
)
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


def make(folder: Path, form: str, clips: int, share: float = SHARE) -> Corpus:
    """Writes a corpus with every kind of fault at least once, the kinds in turn."""
    corpus, faults = Corpus(folder, form), kinds(form)
    bad = max(round(share * clips), len(faults))
    for number in range(bad):
        faults[number % len(faults)](corpus, f"bad{number}")
    for number in range(clips - bad):
        corpus.good(f"clip{number}", number)
    np.random.default_rng(SEED).shuffle(corpus.rows)
    corpus.table.write_text("\n".join([HEADER, *corpus.rows, ""]), "utf-8")
    return corpus


def flags(corpus: Corpus, data_dir: Path) -> list[str]:
    """The arguments of the command that prepares a corpus."""
    return [
        *(f"--source={corpus.source}", f"--manifest={corpus.table}", f"--format={corpus.form}"),
        *("--language=asl", f"--name={corpus.form}", f"--data_dir={data_dir}"),
        *FLAGS[corpus.form],
    ]


def differences(corpus: Corpus, report: dict) -> dict[str, tuple]:
    """What a report says otherwise than was put in: name -> (put in, told)."""
    listed = {kind: len(clips) for kind, clips in report["odd"].items()}
    repairs = {name: report["repairs"].get(name, 0) for name in corpus.repairs}
    pairs = {
        "clips_in": (corpus.out + sum(corpus.lost.values()), report["clips_in"]),
        "clips_out": (corpus.out, report["clips_out"]),
        "train": (corpus.out, report["splits"]["train"]),
        "lost_by_reason": (dict(corpus.lost), report["lost_by_reason"]),
        "other_languages": (dict(corpus.others), report["other_languages"]),
        "odd": (dict(corpus.odd), listed),
        "repairs": (dict(corpus.repairs), repairs),
    }
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def prepare(corpus: Corpus, data_dir: Path) -> tuple[dict, str]:
    """Prepares and checks a corpus by the commands: its report, and the last line of the check.

    Raises RuntimeError where a command ends otherwise than well.
    """
    for own in (flags(corpus, data_dir), ["--check", f"--data_dir={data_dir}"]):
        command = [sys.executable, str(ROOT / "launch" / "prepare.py"), *own]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode or "Traceback" in done.stderr:
            raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr}")
    report = data_dir / "prepared" / "asl" / corpus.form / "prepare_report.json"
    return json.loads(report.read_text()), done.stdout.splitlines()[-1]


def main() -> int:
    """Prepares a corpus of each form and writes what came of them into docs/prepare.md."""
    from signllm_jax.eval.results import write_readme

    given = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    given.add_argument("--clips", type=int, default=5_000, help="of all corpora together")
    clips, wrong, rows = given.parse_args().clips, 0, []
    for form in FLAGS:
        with tempfile.TemporaryDirectory() as folder:
            corpus = make(Path(folder), form, clips // len(FLAGS))
            began = time.monotonic()
            report, checked = prepare(corpus, Path(folder) / "data")
            seconds = time.monotonic() - began
            found = differences(corpus, report)
            if not checked.endswith(f"asl (train {corpus.out}, dev 0, test 0)"):
                found["--check"] = (corpus.out, checked)
        for name, (put_in, told) in found.items():
            print(f"{form}: {name}: {put_in} was put in, the report says {told}", file=sys.stderr)
        wrong += len(found)
        lost, others, odd = (sum(c.values()) for c in (corpus.lost, corpus.others, corpus.odd))
        figures = (corpus.out + lost, len(kinds(form)), corpus.out, lost, others, odd, len(found))
        rows.append([f"`{form}`", *(f"{figure:,}" for figure in figures), f"{seconds:.0f}"])
        print(*rows[-1], flush=True)
    heads = ["poses", "clips and rows", "kinds of fault", "prepared", "lost"]
    heads += ["of another language", "odd", "wrong counts", "seconds"]
    date = time.strftime("%Y-%m-%d", time.gmtime())
    told = f"{date}: `make faults`, {clips:,} clips, {SHARE:.0%} of them with a fault.\n\n"
    write_readme(str(ROOT / "docs" / "prepare.md"), told + markdown.table(heads, rows), "faults")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
