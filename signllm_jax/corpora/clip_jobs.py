"""Finds the pose file of every clip that a manifest lists."""

import dataclasses
import os
from pathlib import Path

from signllm_jax.core.errors import DataError
from signllm_jax.corpora.manifest import Entry, listed_lines


@dataclasses.dataclass(frozen=True)
class Job:
    """A clip to prepare.

    Attributes:
        entry: what the manifest says of it.
        path: its file or folder; "" = the corpus has none.
        offset: first byte of its line in a `.skels` file.
        stamp: changes when the file does.
    """

    entry: Entry
    path: str
    offset: int = -1
    stamp: str = ""


# what may stand after a clip's id in the name of its file or folder, the likeliest first
_ENDS = {
    "openpose": (
        "",
        ".json",
        ".json.gz",
        ".zip",
        ".openpose.json",
        "_openpose.json",
        "_openpose.json.gz",
    ),
    "dwpose": (".npz", ".json", "/poses.npz", "/npz/poses.npz", ""),
    "pose": (".pose",),
    "mediapipe": ("", ".npy"),
}


def find_jobs(
    entries: list[Entry], form: str, source: str | os.PathLike
) -> tuple[list[Job], list[str]]:
    """Finds the pose file of every clip.

    Args:
        entries: of the manifest, with splits.
        form: `openpose`, `dwpose`, `pose`, `mediapipe` or `skels`.
        source: folder of the corpus.

    Returns:
        A job for each entry, and the names of clips in the folder that the manifest does not have.

    Raises:
        DataError: no such folder, or `.skels` with another number of lines than the manifest.
    """
    source = Path(source)
    if not source.is_dir():
        raise DataError(f"{source}: there is no such folder")
    if form == "skels":
        return _skels_jobs(entries, source)
    jobs, used = [], set()
    for entry in entries:
        path = find_pose(source, entry.id, form)
        if path is not None:
            used.add(os.fspath(path))
        jobs.append(Job(entry, os.fspath(path) if path else "", stamp=_stamp(path)))
    return jobs, [name for name in _clips_in(source, form) if name not in used]


def takes_in(source: str | os.PathLike) -> list[Entry]:
    """Lists the takes of folders SIGN/TAKE/FRAME.npy, whose sign is their text.

    Raises DataError where there is none.
    """
    source = Path(source)
    found = [Path(path).relative_to(source) for path in _clips_in(source, "mediapipe")]
    entries = [
        Entry(path.with_suffix("").as_posix(), path.parts[0].replace("_", " "))
        for path in found
        if len(path.parts) > 1
    ]
    if not entries:
        raise DataError(f"{source}: no SIGN/TAKE/FRAME.npy in it: give --manifest")
    return entries


def find_pose(source: Path, name: str, form: str) -> Path | None:
    """The file or folder of a clip, or None; `name` is its id.

    Of a file of several cameras a clip is named by file and camera: `FILE_CAMERA`.
    """
    names = [f"{name}{end}" for end in _ENDS[form]]
    recording, mark, camera = name.rpartition("_")
    if form == "openpose" and mark and camera and recording:
        names += [f"{recording}{end}" for end in _ENDS[form] if "json" in end]
    return next((source / each for each in names if (source / each).exists()), None)


def camera_of(path: str, name: str) -> str:
    """The camera in the id of a clip, where its file is named without; see `find_pose`."""
    stem, last = os.path.basename(path), name.rpartition("/")[2]
    for end in sorted(_ENDS["openpose"], key=len, reverse=True):
        if end and stem.endswith(end):
            stem = stem.removesuffix(end)
            return last.removeprefix(f"{stem}_") if last.startswith(f"{stem}_") else ""
    return ""


def _clips_in(source: Path, form: str) -> list[str]:
    """Files or folders that are clips, sorted; folders hold a file a frame."""
    found = []
    for folder, folders, files in os.walk(source):
        folders.sort()
        endings = {"openpose": "_keypoints.json", "pose": ".pose", "mediapipe": ".npy"}
        ending = endings.get(form, ".npz")
        fitting = [os.path.join(folder, name) for name in files if name.endswith(ending)]
        whole = any(os.path.basename(path) == "poses.npz" for path in fitting)
        frames = form == "openpose" or (form != "pose" and Path(folder) != source and not whole)
        found += [folder] if fitting and frames else fitting
    return sorted(found)


def _stamp(path: Path | None) -> str:
    if path is None:
        return ""
    status = path.stat()
    return f"{status.st_size} {status.st_mtime_ns}"


def _skels_jobs(entries: list[Entry], source: Path) -> tuple[list[Job], list[str]]:
    """Jobs of the lines of `<stem>.skels`; clips of a csv are looked up in `<stem>.files`."""
    from signllm_jax.poses.skels_lines import line_offsets

    listed = listed_lines(source)
    stems = {entry.stem for entry in entries if entry.stem} | {stem for stem, _ in listed.values()}
    offsets, stamps = {}, {}
    for stem in stems:
        path = source / f"{stem}.skels"
        if path.exists():
            offsets[stem], stamps[stem] = line_offsets(path), _stamp(path)
            count = sum(at == stem for at, _ in listed.values())
            if listed and len(offsets[stem]) != count:
                raise DataError(f"{path}: {len(offsets[stem])} lines, but {stem}.files has {count}")
    jobs, used = [], set()
    for entry in entries:
        stem, line = (entry.stem, entry.line) if entry.stem else listed.get(entry.id, ("", -1))
        if stem not in offsets:
            jobs.append(Job(entry, ""))
            continue
        if line >= len(offsets[stem]):
            raise DataError(
                f"{source / stem}.skels: {len(offsets[stem])} lines, no line {line + 1}"
            )
        entry = dataclasses.replace(entry, stem=stem, line=line)
        path = os.fspath(source / f"{stem}.skels")
        jobs.append(Job(entry, path, int(offsets[stem][line]), stamps[stem]))
        used.add(entry.id)
    return jobs, [name for name in listed if name not in used]
