"""Prepared sources on disk: `<data_dir>/prepared/<language>/<source>/`, a few clips a file.

`source.json` names the parts of a complete source and is written last; a part is written beside and
renamed. Its name has a digest of all its inputs, so that a rerun makes only what is missing.
"""

import dataclasses
import hashlib
import io
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from etils import epath

from signllm_jax.core.errors import ConfigError, DataError, PoseFormatError
from signllm_jax.core.languages import check_code
from signllm_jax.core.plain_files import read_plain, write_whole
from signllm_jax.core.schema import bounded, parse_json, read_as
from signllm_jax.core.skeleton import get_layout
from signllm_jax.corpora.clip_jobs import Job, names_of
from signllm_jax.corpora.prepare import VERSION, Lost, Settings, hands_seen, make_example
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.frames import Repairs
from signllm_jax.poses.npz import load_npz

PART_CLIPS = 32
FOLDER = "prepared"
COMPLETE = "source.json"
_PART = r"part-[0-9A-Za-z-]{1,64}\.npz"
_MOST = 1 << 26  # bytes of source.json


@dataclasses.dataclass(frozen=True)
class Part:
    """Some clips of a source that are prepared together.

    Attributes:
        name: name of its file.
        jobs: jobs of its clips.
    """

    name: str
    jobs: tuple[Job, ...]


def source_folder(data_dir: str | os.PathLike, language: str, source: str) -> epath.Path:
    """The folder of a prepared source."""
    return epath.Path(data_dir) / FOLDER / language / source


def plan_parts(jobs: Sequence[Job], settings: Settings) -> list[Part]:
    """Deals the clips into parts, in their order."""
    parts = []
    for number, start in enumerate(range(0, len(jobs), PART_CLIPS)):
        dealt = tuple(jobs[start : start + PART_CLIPS])
        inputs = [dataclasses.asdict(job) for job in dealt]
        for values in inputs:
            del values["entry"]["position"]  # a row may move within its table
        content = [VERSION, dataclasses.asdict(settings), inputs]
        parts.append(Part(part_name(number, content), dealt))
    return parts


def part_name(number: int, content: list) -> str:
    """The name of a part's file, with a digest of `content`, from which the part is made."""
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return f"part-{number:06d}-{digest[:16]}.npz"


def make_part(
    part: Part, settings: Settings, folder: str | os.PathLike, make: Callable = make_example
) -> str:
    """Prepares the clips of a part and writes its file; returns the file's name.

    Args:
        part: the clips.
        settings: the settings of their corpus.
        folder: folder that the file is written to.
        make: makes one clip, with the arguments, result and errors of `make_example`.
    """
    examples, lost, clips, repairs = [], [], [], Repairs()
    for job in part.jobs:
        try:
            example, clip = make(job, settings, repairs)
        except (Lost, MemoryError) as error:
            reason = str(error) if isinstance(error, Lost) else "not enough memory"
            lost.append({"id": job.entry.id, "reason": reason, "split": job.entry.split})
            if not job.path:
                lost[-1]["looked_for"] = names_of(job.entry, settings.format)
            elif isinstance(error, Lost) and error.member:
                lost[-1]["file"] = error.member
        else:
            examples.append(example)
            clips.append(clip)
    return write_part(folder, part.name, (examples, clips), lost, repairs)


def write_part(
    folder: str | os.PathLike,
    name: str,
    made: tuple[Sequence[dict], Sequence[PoseClip]],
    lost: Sequence[dict],
    repairs: Mapping[str, int],
) -> str:
    """Writes the file of a part; returns its name.

    Args:
        folder: folder that the file is written to.
        name: name of the file.
        made: examples as `make_example` gives them, and their clips, of one layout.
        lost: `id`, `reason` and `split` of each clip that could not be prepared.
        repairs: number of repairs of each kind.
    """
    counted = []
    for example, clip in zip(*made, strict=True):
        hands = {side: round(share, 4) for side, share in hands_seen(clip).items()}
        counted.append(example | {"frames": len(clip), "hands": hands})
    listed = {"examples": counted, "lost": list(lost), "repairs": dict(repairs)}
    clips = made[1]
    joints = clips[0].skeleton.size if clips else 1
    pose = [np.zeros((0, joints, 3)), *(clip.positions for clip in clips)]
    confidence = [np.zeros((0, joints)), *(clip.confidence for clip in clips)]
    content = io.BytesIO()
    np.savez(
        content,
        listed=np.frombuffer(json.dumps(listed).encode(), np.uint8),
        pose=np.concatenate(pose).astype(np.float16),
        confidence=np.concatenate(confidence).astype(np.float16),
        fps=np.array([clip.fps for clip in clips], np.float32),
    )
    write_whole(epath.Path(folder) / name, content.getvalue())
    return name


@dataclasses.dataclass(frozen=True)
class SourceSettings:
    """The fields of `settings` in `source.json` that are read; see `Settings`."""

    language: str
    source: str
    layout: str


@dataclasses.dataclass(frozen=True)
class SourceFile:
    """The fields of `source.json` that are read: `settings`, and the names of its `parts`."""

    settings: SourceSettings
    parts: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Example:
    """A clip that a part lists: its texts, its split, and its length in frames."""

    id: str
    text: str
    prompt: str
    gloss: str
    signer: str
    split: str
    frames: int = bounded(low=0, high=1 << 31)


@dataclasses.dataclass(frozen=True)
class LostClip:
    """A clip that could not be prepared."""

    id: str
    reason: str


@dataclasses.dataclass(frozen=True)
class Listed:
    """The listing of a part: its clips, the lost ones, and the number of repairs of each kind."""

    examples: tuple[Example, ...]
    lost: tuple[LostClip, ...]
    repairs: dict[str, int]


def read_part(folder: epath.Path, name: str) -> tuple[dict, dict]:
    """The listing of a part, `examples`, `lost` and `repairs`, and its arrays.

    Raises:
        DataError: It is damaged.
    """
    try:
        members = load_npz(str(folder / name))
        listed = parse_json(members["listed"].tobytes())
        frames = [clip.frames for clip in read_as(Listed, listed, "listed", False).examples]
        if (sum(frames), len(frames)) != (len(members["pose"]), len(members["fps"])):
            raise ConfigError(f"{folder / name}: lists other clips than it has")
        return listed, members
    except (PoseFormatError, KeyError, TypeError, ConfigError) as error:
        raise DataError(f"{error}; delete {folder / name} and prepare again") from None


def clips_of(
    listed: Mapping, members: Mapping
) -> Iterator[tuple[dict, np.ndarray, np.ndarray, float]]:
    """The clips of a part that was read: strings, pose [T, J, 3], confidence [T, J], fps."""
    frame = 0
    for example, fps in zip(listed["examples"], members["fps"]):
        rows = slice(frame, frame + example["frames"])
        frame = rows.stop
        yield example, members["pose"][rows], members["confidence"][rows], float(fps)


class Prepared:
    """A complete prepared source.

    Attributes:
        folder: folder of the source.
        language, source, layout: the values of its settings.
        parts: names of its files.
        digest: digest of the names of all parts, and thus of what they hold.

    Raises DataError when it is not complete.
    """

    def __init__(self, folder: epath.Path):
        self.folder = folder
        try:
            values = parse_json(read_plain(folder, COMPLETE, _MOST))
            file = read_as(SourceFile, values, COMPLETE, strict=False)
            check_code(file.settings.language)
            get_layout(file.settings.layout)
            if wrong := [name for name in file.parts if not re.fullmatch(_PART, name)]:
                raise ConfigError(f"{COMPLETE}.parts: {wrong[0]!r:.60} is no name of a part")
        except (OSError, ConfigError) as error:
            reason = getattr(error, "strerror", None) or error
            raise DataError(f"{folder}: not a complete prepared source ({reason})") from None
        self.language, self.source = file.settings.language, file.settings.source
        self.layout, self.parts = file.settings.layout, list(file.parts)
        self.digest = hashlib.sha256(" ".join(self.parts).encode()).hexdigest()[:16]

    def listed(self) -> Iterator[dict]:
        """The listing of each part: `examples`, `lost`, `repairs`."""
        for name in self.parts:
            yield read_part(self.folder, name)[0]

    def examples(self, split: str) -> Iterator[tuple[dict, np.ndarray, np.ndarray, float]]:
        """A split's clips: strings, pose float16 [T, J, 3], confidence float16 [T, J], fps."""
        for name in self.parts:
            for clip in clips_of(*read_part(self.folder, name)):
                if clip[0]["split"] == split:
                    yield clip


def prepared_sources(prepared: str | os.PathLike, language: str | None = None) -> list[Prepared]:
    """The complete sources in a folder of prepared data, in the order of their names."""
    top = epath.Path(prepared)
    folders = []
    for path in sorted(top.iterdir()) if top.exists() else ():
        if path.is_dir() and language in (None, path.name):
            folders += sorted(path.iterdir())
    return [Prepared(folder) for folder in folders if (folder / COMPLETE).exists()]
