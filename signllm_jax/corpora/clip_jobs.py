"""Finds the pose file of every clip that a manifest lists."""

import collections
import dataclasses
import itertools
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
"""Endings of files that are a whole clip, or labels; only their names tell which."""
_FORM_OF = {Path(end).suffix: form for form, end in _ENDINGS.items()} | {".skels": "skels"}
_WRAPPER = re.compile(r"[._]openpose$")  # what the DGS Corpus adds to the name of a session
_PLAIN_FOLDERS = {
    *("npz", "pose", "poses", "keypoints", "openpose", "json", "video", "videos", "rgb"),
}
"""Folders whose names say nothing about the clips in them."""


@dataclasses.dataclass(frozen=True)
class Job:
    """A clip to prepare.

    Attributes:
        entry: Its entry in the manifest.
        path: Its file or folder; "" = the corpus has none.
        offset: First byte of its line in a `.skels` file.
        stamp: Size and time of the file, which change when the file does.
        cut: Whether the entry's segment is cut out of the file.
        first: Whether it is the first job of its file, which counts what is repaired there.
        lacking: Why there is no file, where it is not just missing.
        camera: Name of its recording in a file that wraps several.
    """

    entry: Entry
    path: str
    offset: int = -1
    stamp: str = ""
    cut: bool = False
    first: bool = True
    lacking: str = ""
    camera: str = ""


class _Files(NamedTuple):
    """The files of poses in a folder.

    Attributes:
        clips: Paths of clips: files, or folders of frames.
        inside: Folder of frames -> its files; empty for OpenPose, whose files are never clips.
        alone: Files that may be a whole clip or labels, by their endings.
        ignored: macOS's `._` files.
        there: A summary in a few words, for messages.
    """

    clips: list[str]
    inside: dict[str, list[str]]
    alone: list[str]
    ignored: list[str]
    there: str


@dataclasses.dataclass(frozen=True)
class Jobs:
    """The clips that were looked for in a corpus's folder.

    Attributes:
        jobs: One for each entry, except optional ones without a file.
        unlisted: Paths of clips in the folder that the manifest does not list.
        ignored: Files that are named like clips and are none: macOS's `._` files.
        there: A summary of the folder in a few words, for messages.
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
    a folder of its split, or below any other folder if its name is unique there. The name of a clip
    in a file that wraps several cameras is `FILE_CAMERA`.

    Args:
        entries: Entries of the manifest.
        form: One of `settings.FORMATS`.
        source: Folder of the corpus.
        known: Further entries that are not prepared; their clips do not count as unlisted.

    Raises:
        DataError: No such folder, or `.skels` with another number of lines than its `.files`.
    """
    source = Path(source)
    if not source.is_dir():
        raise DataError(f"{source}: there is no such folder")
    if form == "skels":
        return _skels_jobs(entries, source, known)
    files = _walk(source, form)
    frames = itertools.chain(*files.inside.values())
    index = _Index(source, [*files.clips, *frames, *files.alone])
    jobs, read, looked_for = [], {("", "")}, ""
    for entry in entries:
        path, cut, several = index.find(entry)
        camera = ""
        if form == "openpose" and not path:
            path, cut, camera = index.find_camera(entry)
        if not path and entry.optional:
            continue
        stamp = _stamp(Path(path)) if path else ""
        lacking = f"{several} files of that name" if several > 1 else ""
        first = (path, camera) not in read
        jobs.append(Job(entry, path, -1, stamp, cut, first, lacking, camera))
        read.add((path, camera))
        looked_for = looked_for or ("" if path else names_of(entry, form))
    used = {path for path, _ in read} | {index.find(entry)[0] for entry in known}
    unlisted = []
    for path in files.clips:
        if path not in used:
            inside = files.inside.get(path, [])
            rest = [file for file in inside if file not in used]
            unlisted += rest if len(rest) < len(inside) else [path]
    return Jobs(jobs, unlisted, files.ignored, files.there, looked_for)


def names_of(entry: Entry, form: str) -> str:
    """The names under which an entry's clip is looked for, in words."""
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
        """The path of an entry's file or "", whether to cut it, and how many have its name."""
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
    """The folders of a name that say something about the clip, and its last part."""
    *folders, last = name.split("/")
    return [f for f in folders if f not in _PLAIN_FOLDERS and not split_of(f)], last


def _same(folders: list[str], wanted: list[str]) -> bool:
    """Whether the folders of a file are those of a name, as far as both have some."""
    return all(folder == name for folder, name in zip(reversed(folders), reversed(wanted)))


def _walk(source: Path, form: str) -> _Files:
    """Lists the clips in a folder: a file per clip, or a folder with a file per frame."""
    clips, inside, alone, ignored = [], {}, [], []
    suffixes: collections.Counter[str] = collections.Counter()
    ending, one_file = _ENDINGS[form], _ONE_FILE.get(form, ())
    for folder, folders, files in os.walk(source):
        folders[:] = sorted(name for name in folders if name != "__MACOSX")
        names = sorted(name for name in files if not name.startswith("._"))
        suffixes.update(Path(name).suffix.lower() or "without suffix" for name in names)
        poses = [os.path.join(folder, name) for name in names if name.lower().endswith(ending)]
        frames = form == "openpose" or (form != "pose" and Path(folder) != source)
        if poses and frames:
            # the files are the frames of one clip; or they are clips, if a manifest names them
            if [os.path.basename(path) for path in poses] == ["poses.npz"]:
                clips += poses
            else:
                clips.append(folder)
                inside[folder] = [] if form == "openpose" else poses
            continue
        clips += poses
        alone += [os.path.join(folder, name) for name in names if name.lower().endswith(one_file)]
        hidden = [name for name in files if name.startswith("._") and name.lower().endswith(ending)]
        ignored += [os.path.join(folder, name) for name in hidden]
    shown = ", ".join(os.path.relpath(path, source) for path in sorted(clips)[:_SHOWN])
    listed = ", ".join(f"{count} {suffix}" for suffix, count in suffixes.most_common(4))
    there = f"{len(clips)} clips, such as {shown}" if clips else listed or "no files"
    likely = next((_FORM_OF[name] for name, _ in suffixes.most_common() if name in _FORM_OF), form)
    hint = f"; is it --format={likely}?" if likely != form and not clips else ""
    return _Files(sorted(clips), inside, sorted(alone), sorted(ignored), f"there are {there}{hint}")


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
            lines = len(offsets[stem])
            if lines != counts.get(stem, lines):
                raise DataError(f"{path}: {lines} lines, but {stem}.files has {counts[stem]}")
    jobs, used, looked_for = [], set(), ""
    for entry in entries:
        stem, line, cut = entry.stem, entry.line, entry.is_segment
        for name, cuts in () if entry.stem else _names(entry):
            named = below.get(name.rpartition("/")[2], [])
            where = listed.get(name) or listed.get(f"{entry.split}/{name}")
            if where or len(named) == 1:
                (stem, line), cut = where or named[0], cuts
                break
        if stem not in offsets:
            jobs += [] if entry.optional else [Job(entry, "")]
            looked_for = looked_for or names_of(entry, "skels")
            continue
        path, lines = f"{source / stem}.skels", len(offsets[stem])
        if line >= lines:
            raise DataError(f"{path}: {lines} lines, no line {line + 1}")
        first = (stem, line) not in used
        used.add((stem, line))
        entry = dataclasses.replace(entry, stem=stem, line=line)
        jobs.append(Job(entry, path, int(offsets[stem][line]), stamps[stem], cut, first))
    names = {entry.id for entry in known}
    unlisted = [n for n, where in listed.items() if where not in used and n not in names]
    there = ", ".join(f"{stem}.skels" for stem in sorted(offsets)) or "no .skels"
    return Jobs(jobs, unlisted, [], f"there are {there}, {len(listed)} ids in .files", looked_for)
