"""Compares clips in x and y where one side has no depth.

The depth that a lift makes is a guess that differs from the depth of the references: a copy of the
references in x and y, lifted again, would score worse than a mean pose. So both sides, and the
reader that judges them, do without depth.
"""

import dataclasses

import numpy as np

from signllm_jax.core.errors import PoseFormatError
from signllm_jax.core.skeleton import DWPOSE128, DWPOSE_TO_OPENPOSE50, OPENPOSE50
from signllm_jax.data.examples import Clips
from signllm_jax.eval.eval_set import Language
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.features import collect_statistics
from signllm_jax.poses.normalize import to_shoulder_widths

_LEAST_DEPTH = 1e-4  # part of a clip's largest extent; less comes from the rounding of numbers


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


def flatten(clip: PoseClip, source: str = "clip") -> PoseClip:
    """A clip in openpose50 without depth, in shoulder widths of x and y about its median neck.

    Raises:
        PoseFormatError: No frame shows both shoulders.
    """
    clip = to_openpose50(clip)
    flat = to_shoulder_widths(clip.positions[..., :2], clip.confidence, clip.layout, source)
    positions = np.concatenate([flat, np.zeros_like(flat[..., :1])], axis=-1)
    return dataclasses.replace(clip, positions=positions)


def flatten_any(clip: PoseClip) -> PoseClip:
    """The flattened clip; one without shoulders only loses its depth."""
    try:
        return flatten(clip)
    except PoseFormatError:
        return without_depth(to_openpose50(clip))


class FlatSource:
    """A split with the interface of `data.splits.Source` that flattens its clips when read."""

    def __init__(self, source: Clips):
        self._source = source
        self.language, self.ids = source.language, source.ids
        self.texts, self.units, self.lengths = source.texts, source.units, source.lengths

    def __len__(self) -> int:
        return len(self._source)

    def clip(self, index: int) -> PoseClip:
        """The clip `index` in x and y."""
        return flatten_any(self._source.clip(index))

    def __getitem__(self, index: int) -> dict:
        clip = self.clip(index)
        return {"pose": clip.positions, "confidence": clip.confidence, "fps": clip.fps}


def flatten_languages(languages: dict[str, Language]) -> None:
    """Takes the depth out of all that is evaluated: clips of all rows, train clips, statistics.

    A reference that shows no shoulders is excluded and counted; any other clip without shoulders
    only loses its depth. `languages` is changed.
    """
    for language in languages.values():
        references = {}
        for index, clip in enumerate(language.references):
            try:
                references[index] = flatten(clip)
            except PoseFormatError:
                language.excluded["no shoulders in x and y"] += 1
        keep = list(references)
        for row, clips in language.rows.items():
            kept = [clips[index] for index in keep]
            language.rows[row] = [None if clip is None else flatten_any(clip) for clip in kept]
        language.keep(keep)
        language.train = train = FlatSource(language.train)
        examples = (train[index] for index in range(len(train)))
        language.statistics = collect_statistics(examples, OPENPOSE50.name)
        if len(language.cut_off):
            language.cut_off = language.cut_off[keep]
        language.references = list(references.values())
        if language.rows:
            language.rows["ground_truth"] = language.references
