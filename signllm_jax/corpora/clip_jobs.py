"""Finds the pose file of every clip that a manifest lists."""

import dataclasses
import os
from pathlib import Path

from signllm_jax.core.errors import DataError
from signllm_jax.corpora.manifest import Entry, listed_lines

_LONGEST = 200  # bytes of a name, with room for what stands after it in that of a file


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


def find_jobs(
    entries: list[Entry], form: str, source: str | os.PathLike
) -> tuple[list[Job], list[str]]:
    """Finds the pose file of every clip.

    Args:
        entries: of the manifest, with splits.
        form: `openpose`, `dwpose`, `pose` or `skels`.
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
    suffix = {"openpose": "", "dwpose": ".npz", "pose": ".pose"}[form]
    jobs, used = [], set()
    for entry in entries:
        if not is_place(entry.id):
            jobs.append(Job(entry, ""))
            continue
        places = [source / f"{entry.id}{suffix}"]
        places += [source / entry.id] if form == "dwpose" else []
        path = next((place for place in places if place.exists()), None)
        if path is not None:
            used.add(os.fspath(path))
        jobs.append(Job(entry, os.fspath(path) if path else "", stamp=_stamp(path)))
    return jobs, [name for name in _clips_in(source, form) if name not in used]


def is_place(name: str) -> bool:
    """Whether a clip's id can be the name of a file below the source: it may not lead out of it."""
    parts = name.split("/")
    return not any(
        part in ("", ".", "..") or "\0" in part or len(os.fsencode(part)) > _LONGEST
        for part in parts
    )


def _clips_in(source: Path, form: str) -> list[str]:
    """Files or folders that are clips, sorted; folders hold a file a frame."""
    found = []
    for folder, folders, files in os.walk(source):
        folders.sort()
        endings = {"openpose": "_keypoints.json", "dwpose": ".npz", "pose": ".pose"}
        fitting = [os.path.join(folder, name) for name in files if name.endswith(endings[form])]
        frames = form == "openpose" or (form == "dwpose" and Path(folder) != source)
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
