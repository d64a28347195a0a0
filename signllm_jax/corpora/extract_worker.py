"""Extracts poses with MediaPipe Holistic. Runs in the environment of `extract-env`.

Reads one JSON line `{"video": ..., "output": ..., "model": ...}` at a time from stdin and answers
with a line: `frames`, `seconds`, `body` and `hands` (shares of frames that show them), `error`, or
`unfit` where this environment cannot extract anything. Without a model it uses pose-format's front
end of the older `solutions`, with the model of the package. With a model, a `.task` file, it uses
the holistic landmarker of the Tasks API, the only API of current packages. No file is written for a
video that shows no body. It imports nothing of signllm_jax, which has other dependencies.
"""

import json
import os
import secrets
import sys
import time

BODY = ("LEFT_SHOULDER", "RIGHT_SHOULDER")
HANDS = ("LEFT_HAND_LANDMARKS", "RIGHT_HAND_LANDMARKS")
SURE = 0.5  # visibility of both shoulders in a frame that shows a signer
FACE_POINTS = 478
POSE_POINTS = (
    *("NOSE", "LEFT_EYE_INNER", "LEFT_EYE", "LEFT_EYE_OUTER"),
    *("RIGHT_EYE_INNER", "RIGHT_EYE", "RIGHT_EYE_OUTER", "LEFT_EAR", "RIGHT_EAR"),
    *("MOUTH_LEFT", "MOUTH_RIGHT", "LEFT_SHOULDER", "RIGHT_SHOULDER", "LEFT_ELBOW", "RIGHT_ELBOW"),
    *("LEFT_WRIST", "RIGHT_WRIST", "LEFT_PINKY", "RIGHT_PINKY", "LEFT_INDEX", "RIGHT_INDEX"),
    *("LEFT_THUMB", "RIGHT_THUMB", "LEFT_HIP", "RIGHT_HIP", "LEFT_KNEE", "RIGHT_KNEE"),
    *("LEFT_ANKLE", "RIGHT_ANKLE", "LEFT_HEEL", "RIGHT_HEEL"),
    *("LEFT_FOOT_INDEX", "RIGHT_FOOT_INDEX"),
)
_FINGERS = ("INDEX_FINGER", "MIDDLE_FINGER", "RING_FINGER", "PINKY")
HAND_POINTS = (
    *("WRIST", "THUMB_CMC", "THUMB_MCP", "THUMB_IP", "THUMB_TIP"),
    *(f"{finger}_{part}" for finger in _FINGERS for part in ("MCP", "PIP", "DIP", "TIP")),
)
PARTS = {
    "POSE_LANDMARKS": ("pose_landmarks", POSE_POINTS),
    "FACE_LANDMARKS": ("face_landmarks", tuple(map(str, range(FACE_POINTS)))),
    "LEFT_HAND_LANDMARKS": ("left_hand_landmarks", HAND_POINTS),
    "RIGHT_HAND_LANDMARKS": ("right_hand_landmarks", HAND_POINTS),
}
"""Component of a `.pose` file -> the landmarker's name of it, and its points."""


def unfit(mediapipe, model: str = "") -> str:
    """Why a version of the package `mediapipe` cannot be used, or nothing."""
    version = getattr(mediapipe, "__version__", "of an unknown version")
    if model:
        vision = getattr(getattr(mediapipe, "tasks", None), "vision", None)
        if hasattr(vision, "HolisticLandmarker"):
            return ""
        return f"mediapipe {version} has no holistic landmarker, which --model is for"
    if hasattr(mediapipe, "solutions"):
        return ""
    return (
        f"mediapipe {version} has no `solutions` any more and brings no models; extraction is made "
        "with 0.10.21, which has both and needs numpy below 2: `make extract-env` installs it. Or "
        "give the model of its holistic landmarker: --model=holistic_landmarker.task"
    )


def extract(video: str, output: str, model: str = "") -> dict:
    """Extracts one video; see the module."""
    import mediapipe  # pyright: ignore[reportMissingImports]  # of `extract-env` alone

    if reason := unfit(mediapipe, model):
        return {"unfit": reason}
    from simple_video_utils.frames import read_frames_exact
    from simple_video_utils.metadata import video_metadata

    about, frames = video_metadata(video), read_frames_exact(video)
    if model:
        pose = landmarks(mediapipe, model, frames, about)
    else:
        from pose_format.utils.holistic import load_holistic

        pose = load_holistic(
            frames,  # pyright: ignore[reportArgumentType]  # any iterable is taken
            fps=about.fps,
            width=about.width,
            height=about.height,
            additional_holistic_config={"model_complexity": 1},  # the one that the package carries
        )
    index = pose.header.get_point_index
    shown = pose.body.confidence[:, 0]
    body = (shown[:, [index("POSE_LANDMARKS", point) for point in BODY]] > SURE).all(axis=1)
    hands = (shown[:, [index(hand, "WRIST") for hand in HANDS]] > 0).any(axis=1)
    result = {"frames": len(shown), "body": float(body.mean()), "hands": float(hands.mean())}
    if body.any():
        write(pose, output)
    return result


def landmarks(mediapipe, model: str, frames, about):
    """The pose of a video by the Tasks API: x and y in pixels, z in picture widths.

    Args:
        mediapipe: the package.
        model: file of its holistic landmarker.
        frames: pictures uint8 [H, W, 3], RGB.
        about: `fps`, `width` and `height` of the video.
    """
    import numpy as np
    from pose_format import Pose
    from pose_format.numpy import NumPyPoseBody
    from pose_format.pose_header import PoseHeader, PoseHeaderComponent, PoseHeaderDimensions

    vision = mediapipe.tasks.vision
    options = vision.HolisticLandmarkerOptions(
        base_options=mediapipe.tasks.BaseOptions(model_asset_path=model),
        running_mode=vision.RunningMode.VIDEO,
    )
    size = sum(len(points) for _, points in PARTS.values())
    rows = []
    with vision.HolisticLandmarker.create_from_options(options) as landmarker:
        for number, frame in enumerate(frames):
            image = mediapipe.Image(
                image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(frame)
            )
            seen = landmarker.detect_for_video(image, round(1000 * number / about.fps))
            rows.append(np.zeros((size, 4), np.float32))
            start = 0
            for name, points in PARTS.values():
                for row, point in enumerate(getattr(seen, name)[: len(points)], start):
                    # hands and faces have no visibility: they are there, or the list is empty
                    sure = point.visibility if name == "pose_landmarks" else 1.0
                    rows[-1][row] = point.x, point.y, point.z, sure or 0.0
                start += len(points)
    lines = {"POSE_LANDMARKS": vision.PoseLandmarksConnections.POSE_LANDMARKS}
    hands = vision.HandLandmarksConnections.HAND_CONNECTIONS
    components = [
        PoseHeaderComponent(
            name,
            list(points),
            [(limb.start, limb.end) for limb in lines.get(name, hands if name in HANDS else ())],
            [(255, 0, 0)],
            "XYZC",
        )
        for name, (_, points) in PARTS.items()
    ]
    made = np.array(rows)[:, None] * np.array([about.width, about.height, 1, 1], np.float32)
    header = PoseHeader(0.2, PoseHeaderDimensions(about.width, about.height, 1000), components)
    return Pose(header, NumPyPoseBody(about.fps, made[..., :3], made[..., 3]))


def write(pose, output: str) -> None:
    """Writes a pose beside `output`, under a name that nobody can guess, and renames it."""
    part = os.path.join(os.path.dirname(output), f".{secrets.token_hex(8)}.partial")
    made = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
    try:
        with open(made, "wb") as file:
            pose.write(file)
        os.replace(part, output)
    except BaseException:
        os.unlink(part)
        raise


def main() -> None:
    """Answers until stdin ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    for line in sys.stdin:
        began = time.monotonic()
        try:
            answer = extract(**json.loads(line))
        except Exception as error:  # a damaged video ends in almost any error of its decoder
            reason = error.__cause__ or error
            answer = {"error": " ".join(f"{type(reason).__name__}: {reason}".split())[:200]}
        answer = answer | {"seconds": time.monotonic() - began}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
