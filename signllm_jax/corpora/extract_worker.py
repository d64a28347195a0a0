"""Extracts poses with pose-format's MediaPipe front end. Runs in the environment of `extract-env`.

Reads a JSON line `{"video": ..., "output": ...}` at a time from stdin and answers with a line:
`frames`, `seconds`, `body` and `hands` (shares of frames that show them), `error`, or `unfit` where
this environment cannot extract anything. A video that shows no body is not written. It imports
nothing of signllm_jax, which has other dependencies.
"""

import json
import os
import secrets
import sys
import time

BODY = ("LEFT_SHOULDER", "RIGHT_SHOULDER")
HANDS = ("LEFT_HAND_LANDMARKS", "RIGHT_HAND_LANDMARKS")
SURE = 0.5  # visibility of both shoulders in a frame that shows a signer


def unfit(mediapipe) -> str:
    """Why a version of the package `mediapipe` cannot be used, or nothing."""
    if hasattr(mediapipe, "solutions"):
        return ""
    version = getattr(mediapipe, "__version__", "of an unknown version")
    return (
        f"mediapipe {version} has no `solutions` any more and brings no models; extraction is made "
        "with 0.10.21, which has both and needs numpy below 2: `make extract-env` installs it"
    )


def extract(video: str, output: str) -> dict:
    """Extracts one video; see the module."""
    import mediapipe

    if reason := unfit(mediapipe):
        return {"unfit": reason}
    from pose_format.utils.holistic import load_holistic
    from simple_video_utils.frames import read_frames_exact
    from simple_video_utils.metadata import video_metadata

    about = video_metadata(video)
    pose = load_holistic(
        read_frames_exact(video),
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


def write(pose, output: str) -> None:
    """Writes a pose beside its place, under a name that nobody knows, and renames it."""
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
        answer["seconds"] = time.monotonic() - began
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
