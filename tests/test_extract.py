"""Video to `.pose`: planning, resuming and counting with a stand-in, and MediaPipe itself."""

import json
import shutil
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from commands import run

from signllm_jax.core import cli
from signllm_jax.core.errors import ConfigError, DataError, OutputError
from signllm_jax.corpora import extract as driver
from signllm_jax.corpora import extract_worker
from signllm_jax.poses.pose_file import read_pose_file
from signllm_jax.render.overlay import overlay

ROOT = Path(__file__).resolve().parents[1]
STAND_IN = """
import json, os, sys
for line in sys.stdin:
    request = json.loads(line)
    with open(os.environ["ASKED"], "a") as file:
        file.write(os.path.basename(request["video"]) + "\\n")
    text = open(request["video"]).read()
    if text == "die":
        os._exit(9)
    if text == "unfit":
        answer = {"unfit": "mediapipe 9 has no solutions", "seconds": 0.1}
    elif text == "bad":
        answer = {"error": "InvalidDataError: no video", "seconds": 0.1}
    else:
        body, hands = map(float, text.split())
        answer = {"frames": 9, "body": body, "hands": hands, "seconds": 0.1}
        if body:
            with open(request["output"], "w") as file:
                file.write("pose")
    print(json.dumps(answer), flush=True)
"""


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """Puts a stand-in in the worker's place; returns the names that it was asked for so far."""
    (tmp_path / "stand_in.py").write_text(STAND_IN)
    monkeypatch.setattr(extract_worker, "__file__", str(tmp_path / "stand_in.py"))
    monkeypatch.setenv("ASKED", str(tmp_path / "asked"))
    (tmp_path / "asked").touch()
    return lambda: sorted((tmp_path / "asked").read_text().split())


def videos(folder, **contents):
    for name, content in contents.items():
        path = folder / (name.replace("__", "/") + ".mp4")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def extract(tmp_path, jobs=1):
    return driver.extract(tmp_path / "in", tmp_path / "out", Path(sys.executable), jobs)


@pytest.mark.parametrize("jobs", [1, 3])
def test_every_video_is_extracted_or_counted(tmp_path, asked, jobs):
    folder = videos(
        tmp_path / "in", a="1 0.5", b__c="0.9 0", empty="0 0", broken="bad", dead="die", z="1 1"
    )
    (folder / "notes.txt").write_text("no video")
    report = extract(tmp_path, jobs)
    assert report["extracted"] == 3 and report["kept"] == 0
    assert report["without_signer"] == ["empty.mp4"]
    assert report["without_hands"] == ["b/c.mp4"]
    assert report["unreadable"] == ["broken.mp4", "dead.mp4"]
    assert report["videos"]["dead.mp4"]["error"] == "the extraction crashed"
    found = sorted(path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*.*"))
    assert list(map(str, found)) == ["a.pose", "b/c.pose", "extract_report.json", "z.pose"]
    assert json.loads((tmp_path / "out" / driver.REPORT).read_text()) == report
    text = driver.summary(report)
    assert text.splitlines()[0] == "3 of 6 videos are .pose files"
    assert "  empty.mp4: without a signer, no file written" in text


def test_only_what_is_missing_or_has_changed_is_done_again(tmp_path, asked):
    videos(tmp_path / "in", a="1 1", empty="0 0", broken="bad")
    first = extract(tmp_path)
    second = extract(tmp_path)
    assert asked() == ["a.mp4", "broken.mp4", "broken.mp4", "empty.mp4"]
    assert second["kept"] == 2 and second["videos"].keys() == first["videos"].keys()
    (tmp_path / "out" / "a.pose").unlink()
    videos(tmp_path / "in", empty="1 1.0")
    assert extract(tmp_path)["without_signer"] == []
    assert asked().count("a.mp4") == asked().count("empty.mp4") == 2
    (tmp_path / "out" / driver.REPORT).write_text("{}")  # a report that is lost costs time only
    assert extract(tmp_path)["extracted"] == 2


def test_bad_input_is_one_line(tmp_path, asked, monkeypatch):
    with pytest.raises(DataError, match="no such folder of videos"):
        extract(tmp_path)
    (tmp_path / "in").mkdir()
    with pytest.raises(DataError, match=r"no videos in it \(\.mp4"):
        extract(tmp_path)
    videos(tmp_path / "in", a="bad")
    with pytest.raises(DataError, match=r"none of 1 videos .* a\.mp4: InvalidDataError: no video"):
        extract(tmp_path)
    (tmp_path / "in" / "a.mov").write_text("1 1")
    with pytest.raises(DataError, match=r"would be the same \.pose file"):
        extract(tmp_path)
    (tmp_path / "in" / "a.mov").unlink()
    shutil.rmtree(tmp_path / "out")
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match="cannot be written"):
        extract(tmp_path)
    monkeypatch.delenv("SIGNLLM_EXTRACT_PYTHON", raising=False)
    with pytest.raises(ConfigError, match="make extract-env"):
        driver.find_python(tmp_path)


@pytest.mark.slow  # installs MediaPipe once
def test_mediapipe_finds_the_person_and_says_where_there_is_none(tmp_path, shared_data):
    import cv2
    import matplotlib.cbook
    from PIL import Image

    made = subprocess.run(["make", "extract-env"], cwd=ROOT, capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"MediaPipe cannot be installed here: {made.stderr.strip()[-200:]}")
    folder = tmp_path / "in"
    shutil.copytree(shared_data / "how2sign" / "video", folder)
    # a portrait that comes with matplotlib, moving 2 pixels a frame
    portrait = matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)
    picture = np.asarray(Image.open(portrait).resize((320, 374)))
    scene = np.full((480, 480, 3), 127, np.uint8)
    moved = []
    for frame in range(12):
        moved.append(scene.copy())
        moved[-1][60:434, 40 + 2 * frame : 360 + 2 * frame] = picture
    writer = cv2.VideoWriter(
        str(folder / "portrait.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 24, (480, 480)
    )
    for frame in moved:
        writer.write(frame[..., ::-1].copy())
    writer.release()
    (folder / "broken.mp4").write_bytes((folder / "portrait.mp4").read_bytes()[:2000])

    args = [f"--videos={folder}", f"--output={tmp_path / 'out'}", "--jobs=2"]
    code, out, err = run(tmp_path, "extract", args)
    assert code == 0, err
    # the two videos of How2Sign here are OpenPose's drawings: MediaPipe sees nobody in them
    report = json.loads((tmp_path / "out" / driver.REPORT).read_text())
    assert out.splitlines()[0] == "1 of 4 videos are .pose files"
    assert len(report["without_signer"]) == 2 and report["unreadable"] == ["broken.mp4"]
    assert [report["videos"][name]["frames"] for name in report["without_signer"]] == [109, 62]
    clip = read_pose_file(tmp_path / "out" / "portrait.pose")
    assert clip.fps == 24 and len(clip) == 12
    assert clip.observed[:, [0, 1, 2, 5]].all() and not clip.observed[:, 8:].any()
    assert clip.positions[:, 0, 1].mean() < -0.3  # the head is up
    step = np.diff(clip.positions[:, 1, 0]).mean()
    assert 0 < step < 0.02
    # lifted and laid back over the portrait
    measured = overlay(
        tmp_path / "out" / "portrait.pose", tmp_path / "a.png", folder / "portrait.mp4"
    )
    assert measured["mean"] < 6  # pixels of 480
    again, out, _ = run(tmp_path, "extract", args)
    assert again == 0 and out.startswith("1 of 4 videos")
    code, _, err = run(tmp_path, "extract", [f"--videos={tmp_path / 'none'}", args[1]])
    assert code == cli.BAD_INPUT and err.count("\n") == 1


def test_a_pose_is_written_whole_and_follows_no_link_that_waits_beside_it(tmp_path):
    (tmp_path / "victim").write_text("mine")
    (tmp_path / "a.pose.partial").symlink_to(tmp_path / "victim")
    output = str(tmp_path / "a.pose")
    extract_worker.write(types.SimpleNamespace(write=lambda file: file.write(b"pose")), output)
    assert (tmp_path / "a.pose").read_bytes() == b"pose"
    assert (tmp_path / "victim").read_text() == "mine"
    with pytest.raises(ZeroDivisionError):
        extract_worker.write(types.SimpleNamespace(write=lambda file: 1 / 0), output)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.pose", "a.pose.partial", "victim"]


@pytest.mark.parametrize("told", ["[]", '{"videos": 7}', '{"videos": {"a.mp4": {"body": 0}}}', "["])
def test_a_report_that_is_none_counts_as_nothing_done(tmp_path, asked, told):
    videos(tmp_path / "in", a="1 1")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / driver.REPORT).write_text(told)
    assert extract(tmp_path)["kept"] == 0 and asked() == ["a.mp4"]


def test_a_mediapipe_without_solutions_is_named_at_once(tmp_path, asked):
    videos(tmp_path / "in", a="unfit", b="unfit")
    with pytest.raises(ConfigError, match=r"python.*: mediapipe 9 has no solutions"):
        extract(tmp_path)
    current = types.SimpleNamespace(__version__="0.10.33", tasks=None)
    assert "mediapipe 0.10.33 has no `solutions`" in extract_worker.unfit(current)
    assert "make extract-env" in extract_worker.unfit(current)
    assert not extract_worker.unfit(types.SimpleNamespace(solutions=None))


class Landmarker:
    """Stands in for the Tasks API's landmarker: a body in each picture, hands in every other."""

    asked: list = []  # noqa: RUF012

    def __init__(self, options):
        assert options.running_mode == "video"
        self.asked.append(options.base_options.model_asset_path)

    @classmethod
    def create_from_options(cls, options):
        return cls(options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def detect_for_video(self, image, milliseconds):
        self.asked.append(milliseconds)
        assert image.data.shape == (80, 160, 3) and image.data.flags.c_contiguous

        def points(names, **more):
            common = {"y": 0.25, "z": -0.1, "visibility": None} | more
            return [
                types.SimpleNamespace(x=0.5 + number / 1000, **common)
                for number in range(len(names))
            ]

        hand = points(extract_worker.HAND_POINTS) if milliseconds % 80 == 0 else []
        return types.SimpleNamespace(
            pose_landmarks=points(extract_worker.POSE_POINTS, visibility=0.9),
            face_landmarks=[],
            left_hand_landmarks=hand,
            right_hand_landmarks=[],
        )


@pytest.fixture
def tasks(monkeypatch):
    """A stand-in for a current mediapipe, which has no `solutions`, and for the video's reader."""

    def package(name, **members):
        module = types.ModuleType(name)
        module.__dict__.update(members)
        monkeypatch.setitem(sys.modules, name, module)
        return module

    limbs = [types.SimpleNamespace(start=0, end=1)]
    vision = types.SimpleNamespace(
        HolisticLandmarker=Landmarker,
        HolisticLandmarkerOptions=types.SimpleNamespace,
        RunningMode=types.SimpleNamespace(VIDEO="video"),
        PoseLandmarksConnections=types.SimpleNamespace(POSE_LANDMARKS=limbs),
        HandLandmarksConnections=types.SimpleNamespace(HAND_CONNECTIONS=limbs),
    )
    mediapipe = package(
        "mediapipe",
        __version__="1.2.3",
        Image=types.SimpleNamespace,
        ImageFormat=types.SimpleNamespace(SRGB=1),
        tasks=types.SimpleNamespace(BaseOptions=types.SimpleNamespace, vision=vision),
    )
    about = types.SimpleNamespace(fps=25.0, width=160, height=80)
    pictures = np.zeros((6, 80, 160, 3), np.uint8)
    package("simple_video_utils")
    package("simple_video_utils.frames", read_frames_exact=lambda video: iter(pictures))
    package("simple_video_utils.metadata", video_metadata=lambda video: about)
    return mediapipe


def test_a_current_mediapipe_extracts_with_the_users_model(tmp_path, tasks):
    Landmarker.asked = []
    output = tmp_path / "a.pose"
    told = extract_worker.extract("a.mp4", str(output), "holistic.task")
    assert told == {"frames": 6, "body": 1.0, "hands": 0.5}
    assert Landmarker.asked == ["holistic.task", 0, 40, 80, 120, 160, 200]
    clip = read_pose_file(output)
    assert clip.fps == 25 and len(clip) == 6
    left, right = (list(clip.skeleton.groups[f"{side}_hand"]) for side in ("left", "right"))
    np.testing.assert_array_equal(clip.observed[:, left].all(axis=1), [True, False] * 3)
    assert not clip.observed[:, right].any()
    assert "solutions" in extract_worker.extract("a.mp4", str(output))["unfit"]
    del tasks.tasks.vision.HolisticLandmarker
    told = extract_worker.extract("a.mp4", str(output), "holistic.task")
    assert told == {"unfit": "mediapipe 1.2.3 has no holistic landmarker, which --model is for"}


def test_points_have_the_names_that_are_read():
    from signllm_jax.poses import pose_headers

    held = {
        (component.name, point)
        for component in pose_headers.make_components("holistic", depth=True)
        for point in component.points
        if "FACE" not in component.name
    }
    own = {(name, point) for name, (_, points) in extract_worker.PARTS.items() for point in points}
    assert held <= own


def test_another_model_extracts_again(tmp_path, asked):
    videos(tmp_path / "in", a="1 1")
    model = tmp_path / "holistic.task"

    def with_model():
        return driver.extract(tmp_path / "in", tmp_path / "out", Path(sys.executable), 1, model)

    with pytest.raises(DataError, match=r"holistic\.task: no such model"):
        with_model()
    extract(tmp_path)
    model.write_text("one")
    assert [with_model()["kept"] for _ in range(2)] == [0, 1]
    model.write_text("another")
    assert with_model()["kept"] == 0
