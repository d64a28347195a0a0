"""Saves a clip in the form that its file name asks for."""

import os
from pathlib import Path

from signllm_jax.core.errors import OutputError
from signllm_jax.core.plain_files import replacing
from signllm_jax.core.wording import how_to_install
from signllm_jax.poses.arrays import write_arrays
from signllm_jax.poses.clip import PoseClip, register_method
from signllm_jax.poses.openpose import write_openpose
from signllm_jax.poses.pose_file import write_pose_file
from signllm_jax.poses.skels import write_skels
from signllm_jax.render.bvh import save_bvh
from signllm_jax.render.glb import save_glb
from signllm_jax.render.page import clip_frame, clip_page, show_clip
from signllm_jax.render.subtitles import save_eaf, save_subtitles
from signllm_jax.render.video import save_gif, save_png, save_video

_PICTURES = {
    ".mp4": save_video,
    ".webm": save_video,
    ".gif": save_gif,
    ".png": save_png,
    ".html": lambda path, clip, reference, text: path.write_text(clip_page(clip, text), "utf-8"),
    ".glb": lambda path, clip, reference, text: save_glb(path, clip),
    ".bvh": lambda path, clip, reference, text: save_bvh(path, clip),
    ".vtt": lambda path, clip, reference, text: save_subtitles(path, clip),
    ".srt": lambda path, clip, reference, text: save_subtitles(path, clip),
    ".eaf": lambda path, clip, reference, text: save_eaf(path, clip, text),
}
_POSES = {
    ".npz": write_arrays,
    ".pose": write_pose_file,
    ".skels": lambda path, clip: write_skels(path, [clip]),
    ".json": write_openpose,
    ".zip": write_openpose,
}
SUFFIXES = (*_PICTURES, *_POSES)


def save_clip(
    path: str | os.PathLike,
    produced: PoseClip,
    reference: PoseClip | None = None,
    text: str = "",
    header: str | None = None,
) -> Path:
    """Saves a clip as a video, picture or poses; the file appears when it is complete.

    `.mp4`, `.webm` and `.gif` play in real time and `.png` is a contact strip; these show the
    reference beside the produced clip. All other forms only have the produced clip: `.html` is a
    page that plays it in 3D, `.glb` a figure with a skin for 3D tools, `.bvh` its joints for
    animation tools, `.npz` its arrays, `.pose` its joints with their depth, `.skels` one line,
    `.json` a list of OpenPose frames and `.zip` (or `.json.zip`) an archive with one OpenPose file
    per frame. `.vtt`, `.srt` and ELAN's `.eaf` have the letters or glosses of a produced clip with
    their times.

    Args:
        path: Path of the file; missing folders are made.
        produced: Clip to save.
        reference: Real clip of the same text.
        text: Text above the clip.
        header: Header of a `.pose` file, one of `pose_headers.HEADERS`: openpose, whose depth is in
            the unit of x and y, or one of MediaPipe's, with the depth that MediaPipe gives.

    Returns:
        The path.

    Raises:
        OutputError: the suffix is none of `SUFFIXES`, the clip has no frames, a layout that the
            format does not support or no letters to write, a header is given for another file than
            `.pose`, the file cannot be written, or a library of the extra `demo` is missing.
        TooSlowError: the encoder did not end in time.
    """
    path = check_output(path, header)
    suffix = path.suffix.lower()
    if not isinstance(produced, PoseClip):
        raise OutputError(f"cannot save {path.name!r}: {type(produced).__name__} is no PoseClip")
    if not len(produced):
        raise OutputError(f"cannot save {path.name!r}: the clip has no frames")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if suffix in _POSES:
            _POSES[suffix](path, produced, **({} if header is None else {"header": header}))
        else:
            with replacing(path, suffix=suffix) as part:
                try:
                    _PICTURES[suffix](Path(part), produced, reference, text)
                except OutputError as error:
                    raise type(error)(f"cannot save {path.name!r}: {error}") from None
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no ffmpeg
        reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        raise OutputError(f"cannot write {path}: {reason}") from error
    except ImportError as error:
        raise OutputError(f"{suffix} needs {error.name}: {how_to_install('demo')}") from error
    return path


def check_output(path: str | os.PathLike, header: str | None = None) -> Path:
    """The path as a `Path`; raises OutputError if `save_clip` would refuse it."""
    path = Path(path)
    if header is not None and path.suffix.lower() != ".pose":
        raise OutputError(f"cannot save {path.name!r}: the header {header} is for .pose files")
    if path.suffix.lower() not in SUFFIXES:
        raise OutputError(
            f"cannot save {path.name!r}: its suffix must be one of {' '.join(SUFFIXES)}"
        )
    folder = next(folder for folder in path.absolute().parents if folder.exists())
    if not folder.is_dir():
        raise OutputError(f"cannot write {path}: {folder} is not a folder")
    if path.is_dir() or not os.access(folder, os.W_OK):
        reason = "it is a folder" if path.is_dir() else f"{folder} cannot be written to"
        raise OutputError(f"cannot write {path}: {reason}")
    return path


register_method("save", save_clip)
register_method("show", show_clip)
register_method("html", clip_frame)
