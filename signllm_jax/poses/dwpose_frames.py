"""Finds the frames of a clip of whole-body keypoints, whatever the form of its files."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from signllm_jax.core.errors import PoseFormatError
from signllm_jax.core.skeleton import DWPOSE128
from signllm_jax.poses.budget import Budget
from signllm_jax.poses.dwpose_keys import people_in, seen_people
from signllm_jax.poses.frames import Repairs, numbered_files
from signllm_jax.poses.json_files import SUFFIXES, load_json
from signllm_jax.poses.npz import load_npz
from signllm_jax.poses.wholebody import flat_people, json_frames, scores_of


class Frames(NamedTuple):
    """The frames of a clip.

    Attributes:
        people: frame number -> function that reads its people, float32 [N, 128, 3] of dwpose128.
        fps: frames per second, 0 where no file stores them.
        aspect: width of the picture / its height, where a file stores both.
        pixels: whether coordinates of this form are pixels, unless somebody divided them.
    """

    people: dict[int, Callable[[Repairs], np.ndarray]]
    fps: float = 0.0
    aspect: float | None = None
    pixels: bool = False


def find_frames(path: Path, budget: Budget) -> Frames:
    """Finds the frames of a clip: in a folder with one `.npz` per frame, a `.npz` or a `.json`.

    Raises PoseFormatError, naming the file.
    """
    if path.is_dir():
        files, _ = numbered_files(path, r"(\d+)\.npz$", budget)
        people = {n: functools.partial(_people_in_file, file, budget) for n, file in files}
        with contextlib.suppress(PoseFormatError):  # reported when the people of the file are read
            first = load_npz(files[0][1], budget)
            return Frames(people, aspect=_aspect(first), pixels="keypoints" in first)
        return Frames(people)
    if path.suffix.lower() in SUFFIXES:
        entries, fps = json_frames(load_json(path, budget), str(path), budget)
        people = {
            n: functools.partial(_people_of_json, frame, f"{path}: frame {n}")
            for n, frame in entries.items()
        }
        return Frames(people, fps, pixels=True)
    archive = load_npz(path, budget)
    frames = list(_frames_of(archive, str(path), budget))
    if not frames:
        raise PoseFormatError(f"{path}: 0 frames")
    people = {
        number: functools.partial(people_in, frame, f"{path}: frame {number}")
        for number, frame in zip(_numbers_of(archive, len(frames)), frames)
    }
    aspects = (_aspect(frame) for frame in frames if isinstance(frame, dict))
    aspect = next((aspect for aspect in aspects if aspect is not None), None)
    return Frames(people, _stored(archive, "fps"), aspect, "keypoints" in archive)


def _people_in_file(path: str, budget: Budget, repairs: Repairs) -> np.ndarray:
    """The people of a file of one frame."""
    archive = load_npz(path, budget)
    if "keypoints" in archive:
        return people_in(archive, path, repairs)
    frames = list(_frames_of(archive, path, budget))
    if len(frames) != 1:
        raise PoseFormatError(f"{path}: {len(frames)} frames in a file of a folder, not 1")
    return people_in(frames[0], path, repairs)


def _people_of_json(entries: list[dict[str, Any]], source: str, repairs: Repairs) -> np.ndarray:
    people = [flat_people(entry, source) for entry in entries]
    return seen_people(np.concatenate([np.zeros((0, DWPOSE128.size, 3)), *people]), repairs)


def _is_clip(archive: dict[str, Any]) -> bool:
    """Whether arrays have a leading axis of time."""
    if isinstance(archive.get("hands"), np.ndarray):
        return archive["hands"].ndim == 4
    return any(
        isinstance(value, np.ndarray) and value.ndim == 3 and key.endswith("body_keypoints")
        for key, value in archive.items()
    )


def _frames_of(archive: dict[str, Any], source: str, budget: Budget) -> Iterator[dict[str, Any]]:
    """The frames of one file: those of a clip, or its only one."""
    if "frame_payloads" in archive:
        frames = archive["frame_payloads"]
        if not isinstance(frames, list):
            raise PoseFormatError(f"{source}: frame_payloads is no list of frames")
        budget.ask(source, frames=len(frames))
        yield from frames
    elif "keypoints" in archive:
        keypoints, scores = archive["keypoints"], scores_of(archive)
        length = len(keypoints) if np.ndim(keypoints) else 0
        if scores is not None and (not np.ndim(scores) or len(scores) != length):
            raise PoseFormatError(f"{source}: keypoints and scores of different lengths")
        budget.ask(source, frames=length)
        for frame in range(length):
            weights = None if scores is None else scores[frame]
            yield {"keypoints": keypoints[frame], "scores": weights}
    elif _is_clip(archive):
        arrays = {key: value for key, value in archive.items() if np.ndim(value)}
        lengths = {len(value) for value in arrays.values()}
        if len(lengths) > 1:
            raise PoseFormatError(f"{source}: arrays of {sorted(lengths)} frames in one clip")
        length = lengths.pop()
        budget.ask(source, frames=length)
        for frame in range(length):
            yield archive | {key: value[frame] for key, value in arrays.items()}
    else:
        yield archive


def _numbers_of(archive: dict[str, Any], length: int) -> list[int]:
    """The frame number of each of `length` payloads: SignVerse-2M skips frames by a stride."""
    frames = archive.get("frame_indices")
    if not isinstance(frames, np.ndarray) or frames.shape != (length,) or frames.dtype.kind != "i":
        return list(range(length))
    if (np.diff(frames) <= 0).any():
        return list(range(length))
    return [int(frame) - int(frames[0]) for frame in frames]


def _stored(archive: dict[str, Any], name: str) -> float:
    try:
        value = np.asarray(archive.get(name, 0.0))
    except ValueError:  # lists of unequal lengths
        return 0.0
    return float(value.reshape(())) if value.size == 1 and value.dtype.kind in "iuf" else 0.0


def _aspect(frame: dict[str, Any]) -> float | None:
    width, height = (_stored(frame, f"frame_{side}") for side in ("width", "height"))
    return width / height if 0 < width < 1e5 and 0 < height < 1e5 else None
