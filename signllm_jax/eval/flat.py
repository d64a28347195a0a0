"""Comparing clips by what both sides have: x and y, where one side has no depth.

The depth that a lift makes is a guess, and not the one that the references have: a copy of the
references in x and y, lifted again, would score worse than a mean pose. So both sides, and the
reader that judges them, get along without.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from signllm_jax.core.errors import PoseFormatError
from signllm_jax.core.skeleton import DWPOSE128, DWPOSE_TO_OPENPOSE50, OPENPOSE50
from signllm_jax.data.examples import Clips
from signllm_jax.eval.eval_set import Language
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.features import collect_statistics
from signllm_jax.poses.normalize import to_shoulder_widths

_LEAST_DEPTH = 1e-4  # of a clip's largest extent; what is less is written numbers' rounding


def is_flat(clip: PoseClip) -> bool:
    """Whether a clip has no depth: of a flat layout, or z is the same everywhere."""
    if clip.layout == DWPOSE128.name:
        return True
    seen = clip.positions[clip.observed]
    if not len(seen):
        return False
    extent = np.ptp(seen, axis=0)
    return bool(extent[2] <= _LEAST_DEPTH * extent[:2].max())


def without_depth(clip: PoseClip) -> PoseClip:
    """An openpose50 clip with z = 0."""
    return dataclasses.replace(clip, positions=clip.positions * np.array([1, 1, 0], np.float32))


def to_openpose50(clip: PoseClip) -> PoseClip:
    """The 50 joints that a dwpose128 clip shares with openpose50, z = 0; others as they are."""
    if clip.layout != DWPOSE128.name:
        return clip
    order = list(DWPOSE_TO_OPENPOSE50)
    positions = clip.positions[:, order] * np.array([1, 1, 0], np.float32)
    return PoseClip(positions, clip.confidence[:, order], clip.fps, OPENPOSE50.name)


def flatten(clip: PoseClip, place: str = "clip") -> PoseClip:
    """A clip in openpose50 without depth, in shoulder widths of x and y about its median neck.

    Raises:
        PoseFormatError: No frame shows both shoulders.
    """
    clip = to_openpose50(clip)
    flat = to_shoulder_widths(clip.positions[..., :2], clip.confidence, clip.layout, place)
    positions = np.concatenate([flat, np.zeros_like(flat[..., :1])], axis=-1)
    return dataclasses.replace(clip, positions=positions)


class FlatSource:
    """A split whose clips are flattened when they are read; else as `data.splits.Source`."""

    def __init__(self, source: Clips):
        self._source = source
        self.language, self.ids = source.language, source.ids
        self.texts, self.units, self.lengths = source.texts, source.units, source.lengths

    def __len__(self) -> int:
        return len(self._source)

    def clip(self, index: int) -> PoseClip:
        """The clip `index`; one without shoulders just loses its depth."""
        clip = self._source.clip(index)
        try:
            return flatten(clip)
        except PoseFormatError:
            return without_depth(to_openpose50(clip))

    def __getitem__(self, index: int) -> dict:
        clip = self.clip(index)
        return {"pose": clip.positions, "confidence": clip.confidence, "fps": clip.fps}


def flatten_languages(languages: dict[str, Language]) -> None:
    """Takes the depth out of all that is evaluated: clips of all rows, train clips, statistics.

    A reference that shows no shoulders is excluded and counted; another clip without shoulders
    just loses its depth. `languages` is changed.
    """
    for each in languages.values():
        keep, references = [], []
        for index, clip in enumerate(each.references):
            try:
                references.append(flatten(clip))
                keep.append(index)
            except PoseFormatError:
                each.excluded["no shoulders in x and y"] += 1
        train = FlatSource(each.train)
        examples = (train[index] for index in range(len(train)))
        statistics = collect_statistics(examples, OPENPOSE50.name)
        rows: dict[str, Sequence[PoseClip | None]] = {
            row: [_flat(clips[index]) for index in keep] for row, clips in each.rows.items()
        }
        each.keep(keep)
        each.references, each.train, each.statistics = references, train, statistics
        if rows:
            each.rows = rows | {"ground_truth": references}
            each.cut_off = each.cut_off[keep] if len(each.cut_off) else each.cut_off


def _flat(clip: PoseClip | None) -> PoseClip | None:
    """The clip in x and y; one without frames or shoulders just loses its depth."""
    if clip is None:
        return None
    try:
        return flatten(clip) if len(clip) else clip
    except PoseFormatError:
        return without_depth(to_openpose50(clip))
