"""Prepared sources on disk: `<data_dir>/prepared/<language>/<source>/`, a few clips a file.

`source.json` names the parts of a complete source and is written last; a part is written beside and
renamed. Its name has a digest of all that went into it, so that a rerun makes only what is missing.
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
from signllm_jax.corpora.prepare import VERSION, Lost, Settings, make_example
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
        name: of its file.
        jobs: its clips.
    """

    name: str
    jobs: tuple[Job, ...]


def source_folder(data_dir: str | os.PathLike, language: str, source: str) -> epath.Path:
    """Where a prepared source lies."""
    return epath.Path(data_dir) / FOLDER / language / source


def plan_parts(jobs: Sequence[Job], settings: Settings) -> list[Part]:
    """Deals the clips into parts, in their order."""
    parts = []
    for number, start in enumerate(range(0, len(jobs), PART_CLIPS)):
        own = tuple(jobs[start : start + PART_CLIPS])
        content = [VERSION, dataclasses.asdict(settings), [_made_of(job) for job in own]]
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        parts.append(Part(f"part-{number:06d}-{digest[:16]}.npz", own))
    return parts


def _made_of(job: Job) -> dict:
    """What a clip is made of: where its row stands changes nothing."""
    values = dataclasses.asdict(job)
    del values["entry"]["place"]
    return values


def make_part(
    part: Part, settings: Settings, folder: str | os.PathLike, make: Callable = make_example
) -> str:
    """Prepares the clips of a part and writes its file; returns the file's name.

    Args:
        part: which clips.
        settings: how.
        folder: where it is written.
        make: makes one clip, with the arguments, result and errors of `make_example`.
    """
    examples, lost, clips, repairs = [], [], [], Repairs()
    for job in part.jobs:
        try:
            example, clip = make(job, settings, repairs)
        except (Lost, MemoryError) as error:
            reason = str(error) if isinstance(error, Lost) else "not enough memory"
            told = {"id": job.entry.id, "reason": reason, "split": job.entry.split}
            if not job.path:
                told["looked_for"] = names_of(job.entry, settings.format)
            elif isinstance(error, Lost) and error.member:
                told["file"] = error.member
            lost.append(told)
            continue
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
        folder: where it is written.
        name: of the file.
        made: examples as `make_example` gives them, and their clips, of one layout.
        lost: of each clip that is not there `id`, `reason` and `split`.
        repairs: how often something was put right.
    """
    examples, clips = made
    counted = [
        example | {"frames": len(clip), "hands": _hands_seen(clip)}
        for example, clip in zip(examples, clips, strict=True)
    ]
    listed = {"examples": counted, "lost": list(lost), "repairs": dict(repairs)}
    joints = clips[0].skeleton.size if clips else 1
    members = {
        "listed": np.frombuffer(json.dumps(listed).encode(), np.uint8),
        "pose": np.concatenate([np.zeros((0, joints, 3))] + [c.positions for c in clips]),
        "confidence": np.concatenate([np.zeros((0, joints))] + [c.confidence for c in clips]),
        "fps": np.array([clip.fps for clip in clips], np.float32),
    }
    content = io.BytesIO()
    for key in ("pose", "confidence"):
        members[key] = members[key].astype(np.float16)
    np.savez(content, **members)
    write_whole(epath.Path(folder) / name, content.getvalue())
    return name


def _hands_seen(clip: PoseClip) -> dict[str, float]:
    """Share of frames that show the left and the right hand."""
    return {
        side: round(
            float(clip.observed[:, list(clip.skeleton.groups[f"{side}_hand"])].any(1).mean()), 4
        )
        for side in ("left", "right")
    }


@dataclasses.dataclass(frozen=True)
class SourceSettings:
    """What is asked of the settings of `source.json`; see `prepare.Settings`."""

    language: str
    source: str
    layout: str


@dataclasses.dataclass(frozen=True)
class SourceFile:
    """What is asked of `source.json`: `settings`, and the names of its `parts`."""

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
    """What a part lists: its clips, those that were lost, and how often something was repaired."""

    examples: tuple[Example, ...]
    lost: tuple[LostClip, ...]
    repairs: dict[str, int]


def read_part(folder: epath.Path, name: str) -> tuple[dict, dict]:
    """What a part lists, `examples`, `lost`, `repairs`, and its arrays.

    Raises:
        DataError: It is damaged.
    """
    try:
        members = load_npz(str(folder / name))
        listed = parse_json(members["listed"].tobytes())
        frames = [each.frames for each in read_as(Listed, listed, "listed", False).examples]
        if (sum(frames), len(frames)) != (len(members["pose"]), len(members["fps"])):
            raise ConfigError(f"{folder / name}: lists other clips than it has")
        return listed, members
    except (PoseFormatError, KeyError, TypeError, ConfigError) as error:
        raise DataError(f"{error}; delete {folder / name} and prepare again") from None


class Prepared:
    """A complete prepared source.

    Attributes:
        folder: where it lies.
        language, source, layout: of its settings.
        parts: names of its files.
        digest: of all of it.

    Raises DataError when it is not complete.
    """

    def __init__(self, folder: epath.Path):
        self.folder = folder
        try:
            values = parse_json(read_plain(folder, COMPLETE, _MOST))
            told = read_as(SourceFile, values, COMPLETE, strict=False)
            check_code(told.settings.language)
            get_layout(told.settings.layout)
            if wrong := [name for name in told.parts if not re.fullmatch(_PART, name)]:
                raise ConfigError(f"{COMPLETE}.parts: {wrong[0]!r:.60} is no name of a part")
        except (OSError, ConfigError) as error:
            reason = getattr(error, "strerror", None) or error
            raise DataError(f"{folder}: not a complete prepared source ({reason})") from None
        self.language, self.source = told.settings.language, told.settings.source
        self.layout, self.parts = told.settings.layout, list(told.parts)
        self.digest = hashlib.sha256(" ".join(self.parts).encode()).hexdigest()[:16]

    def listed(self) -> Iterator[dict]:
        """What each part lists: `examples`, `lost`, `repairs`."""
        for name in self.parts:
            yield self._part(name)[0]

    def examples(self, split: str) -> Iterator[tuple[dict, np.ndarray, np.ndarray, float]]:
        """A split's clips: strings, pose float16 [T, J, 3], confidence float16 [T, J], fps."""
        for name in self.parts:
            listed, members = self._part(name)
            frame = 0
            for example, fps in zip(listed["examples"], members["fps"]):
                rows = slice(frame, frame + example["frames"])
                frame = rows.stop
                if example["split"] == split:
                    yield example, members["pose"][rows], members["confidence"][rows], float(fps)

    def _part(self, name: str) -> tuple[dict, dict]:
        return read_part(self.folder, name)


def prepared_sources(prepared: str | os.PathLike, language: str | None = None) -> list[Prepared]:
    """The complete sources in a folder of prepared data, in the order of their names."""
    top = epath.Path(prepared)
    found = []
    for own in sorted(top.iterdir()) if top.exists() else ():
        if not own.is_dir() or language not in (None, own.name):
            continue
        found += [Prepared(each) for each in sorted(own.iterdir()) if (each / COMPLETE).exists()]
    return found
