"""Prepared sources on disk: `<data_dir>/prepared/<language>/<source>/`, a few clips a file.

`source.json` names the parts of a complete source and is written last; a part is written beside and
renamed. Its name has a digest of all that went into it, so that a rerun makes only what is missing.
"""

import dataclasses
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from etils import epath

from signllm_jax.core.errors import DataError, PoseFormatError
from signllm_jax.core.storage import read_regular
from signllm_jax.corpora.clip_jobs import Job, names_of
from signllm_jax.corpora.prepare import VERSION, Lost, Settings, make_example
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.frames import Repairs
from signllm_jax.poses.npz import load_npz

PART_CLIPS = 32
FOLDER = "prepared"
COMPLETE = "source.json"


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
        content = [VERSION, dataclasses.asdict(settings), [dataclasses.asdict(job) for job in own]]
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        parts.append(Part(f"part-{number:06d}-{digest[:16]}.npz", own))
    return parts


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
            lost.append(told)
            continue
        examples.append(example | {"frames": len(clip), "hands": _hands_seen(clip)})
        clips.append(clip)
    listed = {"examples": examples, "lost": lost, "repairs": dict(repairs)}
    joints = clips[0].skeleton.size if clips else 1
    members = {
        "listed": np.frombuffer(json.dumps(listed).encode(), np.uint8),
        "pose": np.concatenate([np.zeros((0, joints, 3))] + [c.positions for c in clips]),
        "confidence": np.concatenate([np.zeros((0, joints))] + [c.confidence for c in clips]),
        "fps": np.array([clip.fps for clip in clips], np.float32),
    }
    content = io.BytesIO()
    for name in ("pose", "confidence"):
        members[name] = members[name].astype(np.float16)
    np.savez(content, **members)
    write_whole(epath.Path(folder) / part.name, content.getvalue())
    return part.name


def _hands_seen(clip: PoseClip) -> dict[str, float]:
    """Share of frames that show the left and the right hand."""
    return {
        side: round(
            float(clip.observed[:, list(clip.skeleton.groups[f"{side}_hand"])].any(1).mean()), 4
        )
        for side in ("left", "right")
    }


def write_whole(path: epath.Path, content: bytes) -> None:
    """Writes a file beside and renames it; raises DataError where it cannot."""
    beside = path.parent / f"{path.name}.{os.getpid()}.partial"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(content)
        beside.replace(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror or error}") from None


def read_part(folder: epath.Path, name: str) -> tuple[dict, dict]:
    """What a part lists, `examples`, `lost`, `repairs`, and its arrays.

    Raises:
        DataError: It is damaged.
    """
    try:
        members = load_npz(str(folder / name))
        return json.loads(members["listed"].tobytes()), members
    except (PoseFormatError, KeyError, ValueError) as error:
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
            told = json.loads(read_regular(folder / COMPLETE))
            settings = told["settings"]
            self.language, self.source = settings["language"], settings["source"]
            self.layout, self.parts = settings["layout"], told["parts"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{folder}: not a complete prepared source ({error!r})") from None
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
