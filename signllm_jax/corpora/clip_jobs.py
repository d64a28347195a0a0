"""Finds the pose file of every clip that a manifest lists."""

import collections
import dataclasses
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from signllm_jax.core.errors import DataError
from signllm_jax.corpora.entries import Entry, clip_id, split_of
from signllm_jax.corpora.manifest import listed_lines

_SHOWN = 3
_ENDINGS = {
    "openpose": "_keypoints.json",
    "dwpose": ".npz",
    "pose": ".pose",
    "mediapipe": ".npy",
}
_ONE_FILE = {"openpose": (".json", ".json.gz", ".zip"), "dwpose": (".json", ".json.gz")}
"""Endings of a clip in one file, or of labels: found by name only."""
_FORM_OF = {Path(end).suffix: form for form, end in _ENDINGS.items()} | {".skels": "skels"}
_WRAPPER = re.compile(r"[._]openpose$")  # what the DGS Corpus adds to the name of a session
_PLAIN_FOLDERS = {
    *("npz", "pose", "poses", "keypoints", "openpose", "json", "video", "videos", "rgb"),
}
"""Folders whose names say nothing of the clips in them."""


@dataclasses.dataclass(frozen=True)
class Job:
    """A clip to prepare.

    Attributes:
        entry: What the manifest says of it.
        path: Its file or folder; "" = the corpus has none.
        offset: First byte of its line in a `.skels` file.
        stamp: Changes when the file does.
        cut: Whether the entry's segment is cut out of the file.
        first: Whether it is the first job of its file, which counts what is repaired there.
        lacking: Why there is no file, where it is not just missing.
        camera: Which recording of its file, where that wraps several.
    """

    entry: Entry
    path: str
    offset: int = -1
    stamp: str = ""
    cut: bool = False
    first: bool = True
    lacking: str = ""
    camera: str = ""


class _Found(NamedTuple):
    """What lies in a folder.

    Attributes:
        clips: Paths of clips: files, or folders of frames.
        inside: Folder of frames -> its files; empty for OpenPose, whose files are never clips.
        alone: Files that may be a whole clip or labels, by their endings.
        ignored: macOS's `._` files.
        there: The same in a few words, for messages.
    """

    clips: list[str]
    inside: dict[str, list[str]]
    alone: list[str]
    ignored: list[str]
    there: str


@dataclasses.dataclass(frozen=True)
class Jobs:
    """What was found in a corpus's folder.

    Attributes:
        jobs: One for each entry, but for optional ones without a file.
        unlisted: Paths of clips in the folder that the manifest does not list.
        ignored: Files that are named like clips and are none: macOS's `._` files.
        there: What lies in the folder, in a few words, for messages.
        looked_for: The name of one clip that was not found, for messages; "" = all were.
    """

    jobs: list[Job]
    unlisted: list[str]
    ignored: list[str]
    there: str
    looked_for: str


def find_jobs(
    entries: Sequence[Entry],
    form: str,
    source: str | os.PathLike,
    known: Sequence[Entry] = (),
) -> Jobs:
    """Finds the pose file of every clip.

    Names are compared without their suffixes and in NFC. A clip lies in the folder by its id, below
    a folder of its split, or below any other folder where its name is there only once. Of a file
    that wraps several cameras a clip is named by both, `FILE_CAMERA`.

    Args:
        entries: Of the manifest, with splits.
        form: Of `pose_formats.FORMATS`.
        source: Folder of the corpus.
        known: Further entries that are not prepared; their clips are not unlisted.

    Raises:
        DataError: No such folder, or `.skels` with another number of lines than its `.files`.
    """
    source = Path(source)
    if not source.is_dir():
        raise DataError(f"{source}: there is no such folder")
    if form == "skels":
        return _skels_jobs(entries, source, known)
    found = _walk(source, form)
    frames = [path for paths in found.inside.values() for path in paths]
    index = _Index(source, [*found.clips, *frames, *found.alone])
    jobs, used, read, looked_for = [], set(), set(), ""
    for entry in entries:
        path, cut, several = index.find(entry)
        camera = ""
        if form == "openpose" and not path:
            path, cut, camera = index.find_camera(entry)
        if path or not entry.optional:
            stamp = _stamp(Path(path)) if path else ""
            lacking = f"{several} files of that name" if several > 1 else ""
            first = bool(path) and (path, camera) not in read
            jobs.append(Job(entry, path, -1, stamp, cut, first, lacking, camera))
        if path:
            used.add(path)
            read.add((path, camera))
        elif not (looked_for or entry.optional):
            looked_for = names_of(entry, form)
    used |= {index.find(entry)[0] for entry in known}
    unlisted = []
    for path in found.clips:
        parts = found.inside.get(path, [])
        single = [part for part in parts if part in used]
        if path not in used:
            unlisted += [part for part in parts if part not in used] if single else [path]
    return Jobs(jobs, unlisted, found.ignored, found.there, looked_for)


def names_of(entry: Entry, form: str) -> str:
    """What is looked for to find an entry's clip, in words."""
    if form == "skels":
        return f"{entry.id} in <split>.files beside <split>.skels"
    ending = "/" if form == "openpose" else _ENDINGS[form]
    return " or ".join(dict.fromkeys(f"{name}{ending}" for name, _ in _names(entry)))


def _names(entry: Entry) -> Iterator[tuple[str, bool]]:
    """The names that an entry's file may have, and whether its segment is cut out of it."""
    yield entry.id, entry.id in entry.files or (entry.is_segment and not entry.files)
    for name in entry.aliases:
        yield name, entry.is_segment and not entry.files
    for name in entry.files:
        yield name, entry.is_segment


class _Index:
    """The clips of a folder by their names."""

    def __init__(self, source: Path, paths: Sequence[str]):
        self._paths: dict[str, str] = {}
        self._below: dict[str, list[tuple[list[str], str]]] = collections.defaultdict(list)
        for path in paths:
            parts = list(Path(path).relative_to(source).parts)
            while len(parts) > 1 and clip_id(parts[-1]) in _PLAIN_FOLDERS:
                parts.pop()  # VIDEO/npz/poses.npz
            name = clip_id("/".join(parts))
            self._paths.setdefault(name, path)
            self._paths.setdefault(_WRAPPER.sub("", name), path)
            folders, last = _parts(name)
            self._below[last].append((folders, path))

    def find(self, entry: Entry) -> tuple[str, bool, int]:
        """The path of an entry's file or "", whether to cut it, and how many might be meant."""
        several = 0
        for name, cut in _names(entry):
            for whole in (name, f"{entry.split}/{name}"):
                if whole in self._paths:
                    return self._paths[whole], cut, 1
            wanted, last = _parts(name)
            fit = {path for folders, path in self._below.get(last, ()) if _same(folders, wanted)}
            if len(fit) == 1:
                return fit.pop(), cut, 1
            several = max(several, len(fit))
        return "", False, several

    def find_camera(self, entry: Entry) -> tuple[str, bool, str]:
        """The path of the file that wraps an entry's recording or "", the cut, and the camera."""
        for name, cut in _names(entry):
            session, _, camera = name.rpartition("_")
            path = self._paths.get(session, "")
            if path.endswith(_ONE_FILE["openpose"]):
                return path, cut, camera
        return "", False, ""


def _parts(name: str) -> tuple[list[str], str]:
    """The folders of a name that say something of the clip, and the rest."""
    *folders, last = name.split("/")
    return [f for f in folders if f not in _PLAIN_FOLDERS and not split_of(f)], last


def _same(folders: list[str], wanted: list[str]) -> bool:
    """Whether the folders of a file are those of a name, where both have some."""
    shorter = min(len(folders), len(wanted))
    return shorter == 0 or folders[-shorter:] == wanted[-shorter:]


def _walk(source: Path, form: str) -> _Found:
    """Lists the clips in a folder: a file each, or a folder with a file for each frame."""
    clips, inside, alone, ignored = [], {}, [], []
    suffixes: collections.Counter[str] = collections.Counter()
    for folder, folders, files in os.walk(source):
        folders[:] = sorted(name for name in folders if name != "__MACOSX")
        names = sorted(name for name in files if not name.startswith("._"))
        suffixes.update(Path(name).suffix.lower() or "without suffix" for name in names)
        ending = _ENDINGS[form]
        poses = [os.path.join(folder, name) for name in names if name.lower().endswith(ending)]
        frames = form == "openpose" or (form != "pose" and Path(folder) != source)
        if poses and frames:
            # the files are the frames of one clip; or they are clips, as a manifest's names tell
            if [os.path.basename(path) for path in poses] == ["poses.npz"]:
                clips += poses
            else:
                clips.append(folder)
                inside[folder] = [] if form == "openpose" else poses
            continue
        clips += poses
        one_file = _ONE_FILE.get(form, ())
        alone += [os.path.join(folder, name) for name in names if name.lower().endswith(one_file)]
        hidden = [name for name in files if name.startswith("._") and name.lower().endswith(ending)]
        ignored += [os.path.join(folder, name) for name in hidden]
    shown = ", ".join(os.path.relpath(path, source) for path in sorted(clips)[:_SHOWN])
    listed = ", ".join(f"{count} {suffix}" for suffix, count in suffixes.most_common(4))
    there = f"{len(clips)} clips, such as {shown}" if clips else listed or "no files"
    other = next((_FORM_OF[name] for name, _ in suffixes.most_common() if name in _FORM_OF), form)
    hint = f"; is it --format={other}?" if other != form and not clips else ""
    return _Found(sorted(clips), inside, sorted(alone), sorted(ignored), f"there are {there}{hint}")


def _stamp(path: Path) -> str:
    status = path.stat()
    return f"{status.st_size} {status.st_mtime_ns}"


def _skels_jobs(entries: Sequence[Entry], source: Path, known: Sequence[Entry]) -> Jobs:
    """Jobs of the lines of `<stem>.skels`; clips of a table are looked up in `<stem>.files`."""
    from signllm_jax.poses.skels_lines import line_offsets

    listed, counts = listed_lines(source)
    stems = {entry.stem for entry in entries if entry.stem} | set(counts)
    below: dict[str, list] = collections.defaultdict(list)
    for name, where in listed.items():
        below[name.rpartition("/")[2]].append(where)
    offsets, stamps = {}, {}
    for stem in stems:
        path = source / f"{stem}.skels"
        if path.exists():
            offsets[stem], stamps[stem] = line_offsets(path), _stamp(path)
            if stem in counts and len(offsets[stem]) != counts[stem]:
                raise DataError(
                    f"{path}: {len(offsets[stem])} lines, but {stem}.files has {counts[stem]}"
                )
    jobs, used, looked_for = [], set(), ""
    for entry in entries:
        stem, line, cut = entry.stem, entry.line, entry.is_segment
        names = () if entry.stem else _names(entry)
        for name, cuts in names:
            last = below.get(name.rpartition("/")[2], [])
            places = [listed.get(whole) for whole in (name, f"{entry.split}/{name}")]
            place = next((p for p in places if p), last[0] if len(last) == 1 else None)
            if place:
                (stem, line), cut = place, cuts
                break
        if stem not in offsets:
            jobs += [] if entry.optional else [Job(entry, "")]
            looked_for = looked_for or names_of(entry, "skels")
            continue
        if line >= len(offsets[stem]):
            raise DataError(
                f"{source / stem}.skels: {len(offsets[stem])} lines, no line {line + 1}"
            )
        first = (stem, line) not in used
        used.add((stem, line))
        entry = dataclasses.replace(entry, stem=stem, line=line)
        path = os.fspath(source / f"{stem}.skels")
        jobs.append(Job(entry, path, int(offsets[stem][line]), stamps[stem], cut, first))
    names = {entry.id for entry in known}
    unlisted = [n for n, where in listed.items() if where not in used and n not in names]
    there = ", ".join(f"{stem}.skels" for stem in sorted(offsets)) or "no .skels"
    return Jobs(jobs, unlisted, [], f"there are {there}, {len(listed)} ids in .files", looked_for)
