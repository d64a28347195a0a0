"""The rows of a report's tables: the clips that productions are compared with."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from signllm_jax.core import markdown
from signllm_jax.core.config import ModelConfig
from signllm_jax.core.typing import Tree
from signllm_jax.eval.edits import levenshtein
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
    titles = dict(ROWS)
    if predictions := facts.get("predictions"):
        titles["produced"] = f"**predictions ({markdown.escape(Path(predictions['path']).stem)})**"
    if peer := facts.get("peer"):
        titles["peer"] = peer["name"]
    return titles


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
    """The model's predictions when it is given the real frames before each patch.

    The model thus also has the real length, the progress counter and a latent of the real clip:
    the row shows how well a model follows a clip, not how well it produces one.

    Args:
        model: Sizes of the model, the same in all groups.
        params: Stacked parameters [L, ...] on the mesh.
        ids: Token ids of the texts of each language.
        references: Real clips of the same texts.
        statistics: Statistics of each language.
        mesh: Mesh that holds the parameters.
        batch_size: Number of clips per language and batch.
        languages: Number of language marks where the texts are LangGloss, 0 otherwise.
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
                frames_and_mask = make_frames(clip.positions, clip.confidence, statistics[i])
                values[i, j, : len(clip)], shown[i, j, : len(clip)] = frames_and_mask
        with sharding.use_mesh(mesh):
            predicted = jax.device_get(predict(params, text, values, shown, segment))
        for i, group in enumerate(chosen):
            for j, (_, clip) in enumerate(group):
                made, seen = (x[i, j, : len(clip)] for x in (predicted.frames, predicted.seen))
                clips[i].append(make_clip(made, seen > 0, statistics[i]))
    return clips


def nearest_texts(texts: Sequence[str], train: Sequence[str]) -> list[int]:
    """For each text the index of the train text at the least edit distance, the first of equals.

    Raises ConfigError when rapidfuzz is not installed.
    """
    scorer = levenshtein().distance
    from rapidfuzz import process

    nearest: list[int] = []
    for start in range(0, len(texts), 64):  # bounds the matrix of distances
        nearest += process.cdist(texts[start : start + 64], train, scorer=scorer).argmin(1).tolist()
    return nearest


def other_clips(count: int, seed: int) -> list[int] | None:
    """A random permutation of `count` clips that leaves none at its place; None for one clip."""
    if count < 2:
        return None
    order = np.random.default_rng(seed).permutation(count)
    partner = np.empty(count, int)
    partner[order] = np.roll(order, 1)  # one cycle through all clips
    return partner.tolist()
