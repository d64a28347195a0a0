"""The rows of a report's tables: what productions are held against."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from signllm_jax.core import markdown
from signllm_jax.core.config import ModelConfig
from signllm_jax.core.errors import ConfigError
from signllm_jax.core.typing import Tree
from signllm_jax.core.wording import how_to_install
from signllm_jax.inference.text_to_pose import make_clip
from signllm_jax.models.history import teacher_forcing
from signllm_jax.models.layers.precision import compute_dtype
from signllm_jax.models.layers.variety import Seen
from signllm_jax.models.text2pose import Text2Pose
from signllm_jax.parallel import language_axis, sharding
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.features import Statistics, make_frames

ROWS = {
    "ground_truth": "real clip (ceiling)",
    "produced": "**produced**",
    "own_model": "the run's own model",
    "true_langgloss": "from true LangGloss (same model, not asked by a prompt)",
    "teacher_forced": "teacher-forced (same model, sees the real past)",
    "nearest_train": "nearest train clip by text (edit distance)",
    "peer": "another system",
    "other_take": "another real take of the text",
    "conditional_mean": "mean of real takes of the text",
    "random_other": "another clip of the split (random)",
    "mean_pose": "mean pose held",
}
"""Name in report.json -> name in report.md, in the order of the tables."""


def row_titles(facts: Mapping[str, Any]) -> dict[str, str]:
    """`ROWS`, with the names of the predictions and of the peer that a report's facts have."""
    given = {}
    if told := facts.get("predictions"):
        given["produced"] = f"**predictions ({markdown.escape(Path(told['path']).stem)})**"
    if peer := facts.get("peer"):
        given["peer"] = peer["name"]
    return ROWS | given


def teacher_forced(
    model: ModelConfig,
    params: Tree,
    ids: Sequence[Sequence[Sequence[int]]],
    references: Sequence[Sequence[PoseClip]],
    statistics: Sequence[Statistics],
    mesh,
    batch_size: int,
    languages: int = 0,
) -> list[list[PoseClip]]:
    """What the model predicts when it is given the real frames before each patch.

    It thus has the real length and progress too, and what its latent tells of the real clip: how
    well a model follows, not how it produces.

    Args:
        model: sizes of a group.
        params: stacked parameters [L, ...] on the mesh.
        ids: token ids of the texts of every language.
        references: the real clips of the same texts.
        statistics: one a language.
        mesh: where the parameters lie.
        batch_size: clips of a language at a time.
        languages: rows of the language marks where the texts are LangGloss, 0 = they are not.
    """
    module = Text2Pose(model, compute_dtype(model.dtype), languages)
    tokens = max((len(text) for group in ids for text in group), default=1)
    longest = max((len(clip) for group in references for clip in group), default=1)
    frames = -(-longest // model.patch) * model.patch

    @jax.jit
    @language_axis.lift
    def predict(params, text, values, shown, segment):
        history, counter, patches = teacher_forcing(values, segment, model.patch)
        if model.flow:  # the middle of the noise
            history = 0 * history
        parts = (text, (text > 0).astype(np.int32), history, counter, patches)
        noise = np.zeros((batch_size, 1, model.latent), np.float32)
        seen = Seen(values[..., :-1], shown, segment, noise, np.ones(batch_size, bool))
        return module.apply({"params": params}, *parts, seen=seen)[0]

    clips: list[list[PoseClip]] = [[] for _ in ids]
    most = max((len(group) for group in ids), default=0)
    for start in range(0, most, batch_size):
        shape = (len(ids), batch_size)
        text = np.zeros((*shape, tokens), np.int32)
        values = np.zeros((*shape, frames, model.frame_size), np.float32)
        shown = np.zeros((*shape, frames, model.frame_size // 3), bool)
        segment = np.zeros((*shape, frames), np.int32)
        chosen = [list(zip(i, r))[start : start + batch_size] for i, r in zip(ids, references)]
        for i, group in enumerate(chosen):
            for j, (row, clip) in enumerate(group):
                text[i, j, : len(row)], segment[i, j, : len(clip)] = row, 1
                made, there = make_frames(clip.positions, clip.confidence, statistics[i])
                values[i, j, : len(clip)], shown[i, j, : len(clip)] = made, there
        with sharding.use_mesh(mesh):
            predicted = jax.device_get(predict(params, text, values, shown, segment))
        for i, group in enumerate(chosen):
            for j, (_, clip) in enumerate(group):
                made, seen = (x[i, j, : len(clip)] for x in (predicted.frames, predicted.seen))
                clips[i].append(make_clip(made, seen > 0, statistics[i]))
    return clips


def nearest_texts(texts: Sequence[str], train: Sequence[str]) -> list[int]:
    """For each text the index of the train text at the least edit distance, the first of equals.

    Raises ConfigError when rapidfuzz, which comes with jiwer, is not installed.
    """
    try:
        from rapidfuzz import process
        from rapidfuzz.distance import Levenshtein
    except ImportError:
        raise ConfigError(f"rapidfuzz is missing: {how_to_install('demo')}") from None
    nearest: list[int] = []
    for start in range(0, len(texts), 64):  # bounds the matrix of distances
        part = texts[start : start + 64]
        nearest += process.cdist(part, train, scorer=Levenshtein.distance).argmin(1).tolist()
    return nearest


def other_clips(count: int, seed: int) -> list[int] | None:
    """A random permutation of `count` clips that leaves none at its place; None for one clip."""
    if count < 2:
        return None
    order = np.random.default_rng(seed).permutation(count)
    other = np.empty(count, int)
    other[order] = np.roll(order, 1)  # one cycle through all clips
    return other.tolist()
