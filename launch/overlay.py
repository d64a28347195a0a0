"""Lays a 3D clip over its video: python launch/overlay.py --video=FILE --pose=FILE --output=FILE.

`--pose` is where the keypoints lie: a `.pose` file (from launch/extract.py) or OpenPose's JSON (a
folder, `.zip` or `.json`). They are lifted, projected back and drawn; the distance is printed.
"""

from absl import flags

from signllm_jax.core import cli

VIDEO = flags.DEFINE_string("video", None, "the video; without one the ground is dark")
POSE = flags.DEFINE_string("pose", None, "keypoints of the video: .pose, or OpenPose's JSON")
OUTPUT = flags.DEFINE_string("output", None, "file to write: .mp4, or .png for a strip")
LIFT = flags.DEFINE_enum("lift", "best", ("best", "reference"), "how depth is found")
FPS = flags.DEFINE_float("fps", 25.0, "frames per second of OpenPose's JSON", lower_bound=0.1)


def main() -> None:
    """Reads the flags, lifts, measures and draws."""
    from signllm_jax.corpora.outputs import check_outside
    from signllm_jax.render.overlay import overlay

    pose, output = cli.required(POSE), cli.required(OUTPUT)
    check_outside([output], filter(None, [VIDEO.value, pose]))
    measured = overlay(pose, output, VIDEO.value, LIFT.value, FPS.value)
    print(
        f"{output}: {measured['frames']} frames; the projected pose is "
        f"{measured['mean']:.1f} pixels from the confident keypoints on average "
        f"({measured['mean_shoulder_widths']:.3f} shoulder widths), "
        f"{measured['p95']:.1f} or less in 95%; {measured['share']:.0%} of joints are confident"
    )


if __name__ == "__main__":
    cli.run(main)
