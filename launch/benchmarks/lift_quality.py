"""The depth that the lift computes: reference mode and best mode, on real clips of OpenPose.

    python launch/benchmark.py lift_quality --clips=FOLDER_OF_OPENPOSE_FOLDERS --docs=docs

With `--docs` it writes `lift.md` (a table), `lift_side.png` (the first clip from the side, both
modes) and `lift_overlay.png` (the best mode laid over the keypoints).
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from absl import flags

from launch.benchmarks.lift import clips_of
from launch.benchmarks.rows import clocks, row, since
from signllm_jax.core import markdown
from signllm_jax.core.errors import ConfigError
from signllm_jax.core.plain_files import write_whole
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.lift import MODES, lift_keypoints
from signllm_jax.poses.lift_best import CONFIDENT
from signllm_jax.poses.tree import LEFT_HAND, PARENT
from signllm_jax.render.figure import contact_strip
from signllm_jax.render.overlay import measure, overlay_strip

_DOCS = flags.DEFINE_string("docs", "", "folder to write lift.md and pictures to")

PLANAR = 0.02  # a bone whose depth is a smaller share of its length lies in the picture plane
_WRISTS = [4, 7]
_FPS = 24.0
_NAMES = {"reference": "reference (the original's)", "best": "best (the default)"}


def planar_share(clip: PoseClip, first: int = 1) -> float:
    """The share of bones, from joint `first` on, that lie in the picture plane, over all frames."""
    joints = np.arange(first, clip.positions.shape[1])
    bones = clip.positions[:, joints] - clip.positions[:, PARENT[joints]]
    seen = clip.observed[:, joints] & clip.observed[:, PARENT[joints]]
    length = np.linalg.norm(bones, axis=-1)
    lean = np.abs(bones[..., 2]) < PLANAR * length
    return float(lean[seen & (length > 0)].mean())


def wrist_depth_motion(clip: PoseClip) -> float:
    """The mean distance in depth that the wrists move per frame, in shoulder widths."""
    seen = clip.observed[1:, _WRISTS] & clip.observed[:-1, _WRISTS]
    return float(np.abs(np.diff(clip.positions[:, _WRISTS, 2], axis=0))[seen].mean())


def rows() -> Iterator[dict]:
    """Yields a row for each mode; with `--docs` writes the page and its pictures."""
    if not flags.FLAGS.clips:
        raise ConfigError("--clips is missing: made clips say nothing about real depth")
    clips = clips_of(flags.FLAGS.clips)
    frames = np.array([len(keypoints) for keypoints in clips])
    table, lifted = {}, {}
    for mode in reversed(MODES):
        began = clocks()
        done = lifted[mode] = [lift_keypoints(keypoints, _FPS, mode) for keypoints in clips]
        off = [measure(clip, keypoints) for clip, keypoints in zip(done, clips)]

        def mean(values):
            return float(np.average(values, weights=frames))

        table[mode] = {
            "planar_share": mean([planar_share(clip) for clip in done]),
            "planar_hand_share": mean([planar_share(clip, LEFT_HAND) for clip in done]),
            "wrist_depth_motion": mean([wrist_depth_motion(clip) for clip in done]),
            "pixels": mean([distance["mean"] for distance in off]),
            "shoulder_widths": mean([distance["mean_shoulder_widths"] for distance in off]),
        }
        yield row("lift_quality", mode, *since(began), int(frames.sum()), "frames", **table[mode])
    if _DOCS.value:
        _write(Path(_DOCS.value), table, lifted, clips)


def _write(folder: Path, table: dict, lifted: dict, clips: list[np.ndarray]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    head = ["mode", "bones in the picture plane", "of the hands", "wrist depth motion a frame"]
    cells = (
        "{planar_share:.1%}",
        "{planar_hand_share:.1%}",
        "{wrist_depth_motion:.4f}",
        "{pixels:.1f} px ({shoulder_widths:.3f})",
    )
    lines = [[_NAMES[mode], *(c.format(**row) for c in cells)] for mode, row in table.items()]
    count, frames = len(clips), sum(map(len, clips))
    page = f"""# The 2D-to-3D lift, reference and best mode

Pose extractors give 2D keypoints; the lift computes a depth for each joint. `reference` computes
what Prompt2Sign's own code does, `best` is ours.

{markdown.table([*head, "projected pose to keypoints"], lines)}

{count} sentence clips of How2Sign, {frames} frames, OpenPose keypoints at 1280 x 720. A bone lies
in the picture plane when its depth is under {PLANAR:.0%} of its length. Lengths are in shoulder
widths. The last column is the distance of the orthographically projected pose to the keypoints of
confidence {CONFIDENT} and more, with one scale and shift a clip. The clips have no measured depth:
the table shows what is flat, what shakes and what still fits the picture, not which depth is right.

From the side (the signer faces left), reference mode above and best mode below:

![a clip from the side in both modes](lift_side.png)

The best mode laid over the keypoints it was lifted from (rings):

![the lifted pose over its keypoints](lift_overlay.png)

Made by `python launch/benchmark.py lift_quality --clips=FOLDER --docs=docs`; your own video with
its pose on top by `python launch/overlay.py --video=FILE --pose=FILE --output=overlay.mp4`. The
videos of the corpus are not shown here, since their license does not allow it.
"""
    write_whole(folder / "lift.md", page.encode())
    both = [lifted[mode][0] for mode in ("best", "reference")]
    names = (_NAMES["reference"], _NAMES["best"])
    side = contact_strip(*both, frames=8, side=True, height=200, names=names)
    side.quantize(64).save(folder / "lift_side.png", optimize=True)
    flat = overlay_strip(lifted["best"][0], clips[0], None)
    flat.quantize(64).save(folder / "lift_overlay.png", optimize=True)
