"""From texts to pose clips with stacked groups: encode, generate in batches, restore positions."""

import functools
from collections.abc import Sequence

import jax
import numpy as np

from signllm_jax.artifacts.group import Group
from signllm_jax.core.config import ModelConfig
from signllm_jax.core.errors import TextError
from signllm_jax.core.skeleton import DWPOSE128
from signllm_jax.core.typing import Tree
from signllm_jax.inference import pose_decoding
from signllm_jax.inference.request import Draw
from signllm_jax.models import generation
from signllm_jax.models.apply import apply
from signllm_jax.models.layers.precision import compute_dtype
from signllm_jax.models.text2pose import Text2Pose
from signllm_jax.parallel import sharding
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.features import Statistics, restore_frames
from signllm_jax.text.stage import LineTokenizer


class Producer:
    """Free-running production for L languages on a mesh; one compilation a batch shape.

    Args:
        groups: one per language in the order of the language axis, all of the same sizes. A group
            with a text stage reads LangGloss. The limits of the first one hold for all.
        mesh: where the parameters lie.
        batch_size: texts of a language decoded together, a multiple of the mesh's row axes.
    """

    def __init__(self, groups: Sequence[Group], mesh, batch_size: int):
        first = groups[0]
        self._tokenizers = [
            LineTokenizer(group.text_stage) if group.text_stage else group.needed_tokenizer
            for group in groups
        ]
        self._statistics = [group.needed_statistics for group in groups]
        self._mesh, self._tokens, self._batch_size = mesh, first.row_tokens, batch_size
        languages = first.text_stage.config.languages if first.text_stage else 0
        self._draws = generation.draws(first.model, first.max_frames)
        self._generate = _compiled(first.model, mesh, first.max_frames, languages)
        self._durations = (
            _durations(first.model, languages) if first.model.token_durations else None
        )

    def encode(self, text: str, language: int) -> list[int]:
        """Token ids of a text; raises TextError when it cannot be written or is too long."""
        ids = self._tokenizers[language].encode(text)
        if len(ids) > self._tokens:
            raise TextError(
                f"the text has {len(ids)} tokens, the model reads at most {self._tokens}: "
                f"{text[:40]!r}",
                "long",
            )
        return ids

    def __call__(
        self,
        params: Tree,
        texts: Sequence[Sequence[str]],
        draws: Sequence[Sequence[Draw]] | None = None,
    ) -> list[list[tuple[PoseClip, bool]]]:
        """Produces the texts of every language.

        Args:
            params: stacked parameters [L, ...] on the mesh.
            texts: for every language its texts (counts may differ).
            draws: which clip of each text, of models that draw; None = a draw of its own for each,
                by its place, as clips of a corpus vary.

        Returns:
            For every language and text the clip, and whether it ended by its counter (False: it
            was cut off at the longest length).
        """
        ids = [[self.encode(text, i) for text in group] for i, group in enumerate(texts)]
        if draws is None:
            draws = [[Draw(sample=place) for place in range(len(group))] for group in texts]
        most = max((len(group) for group in ids), default=0)
        clips: list[list[tuple[PoseClip, bool]]] = [[] for _ in texts]
        for start in range(0, most, self._batch_size):
            batch = np.zeros((len(texts), self._batch_size, self._tokens), np.int32)
            for i, group in enumerate(ids):
                for j, tokens in enumerate(group[start : start + self._batch_size]):
                    batch[i, j, : len(tokens)] = tokens
            made = self._run(params, batch, [group[start:] for group in draws])
            for i, group in enumerate(ids):
                for j in range(len(group[start : start + self._batch_size])):
                    end = made.length[i, j]
                    ended = bool(made.ended[i, j])
                    arrays = made.frames[i, j, :end], made.seen[i, j, :end]
                    clips[i].append((make_clip(*arrays, self._statistics[i], ended), ended))
        return clips

    def durations(self, params: Tree, texts: Sequence[str]) -> list[np.ndarray | None]:
        """How many frames each token of texts lasts, of the first language: float32 [tokens].

        None for each text where the model does not learn durations (`model.token_durations`).
        """
        if self._durations is None:
            return [None] * len(texts)
        found: list[np.ndarray | None] = []
        own = jax.tree.map(lambda leaf: leaf[0], params)
        for start in range(0, len(texts), self._batch_size):
            ids = [self.encode(text, 0) for text in texts[start : start + self._batch_size]]
            batch = np.zeros((self._batch_size, self._tokens), np.int32)
            for row, tokens in zip(batch, ids, strict=False):
                row[: len(tokens)] = tokens
            with sharding.use_mesh(self._mesh):
                frames = jax.device_get(self._durations(own, batch))
            found += [row[: len(tokens)] for row, tokens in zip(frames, ids, strict=False)]
        return found

    def warm_up(self, params: Tree) -> None:
        """Compiles, or loads what has been compiled, by decoding nothing."""
        shape = (len(self._tokenizers), self._batch_size, self._tokens)
        self._run(params, np.zeros(shape, np.int32), ())
        self.durations(params, [""])

    def _run(
        self, params: Tree, batch: np.ndarray, draws: Sequence[Sequence[Draw]]
    ) -> pose_decoding.Generated:
        inputs = [batch]
        if self._draws:
            languages, rows = batch.shape[:2]
            noise = np.zeros((languages, rows, self._draws), np.float32)
            for own, group in zip(noise, draws):
                for row, draw in zip(own, group):
                    row[:] = draw.noise(self._draws)
            inputs.append(noise)
        with sharding.use_mesh(self._mesh):
            places = sharding.batch_sharding(self._mesh)
            placed = [sharding.place(values, places) for values in inputs]
            return jax.device_get(self._generate(params, *placed))


@functools.lru_cache(maxsize=16)
def _compiled(model: ModelConfig, mesh, max_frames: int, languages: int):
    """One jitted function for all producers of the same sizes: languages share its programs."""
    module = Text2Pose(model, compute_dtype(model.dtype), languages)

    def generate(params, text, noise=None):
        return pose_decoding.generate_lanes(module, params, text, max_frames, noise)

    everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    options = pose_decoding.compiler_options(mesh)
    return jax.jit(generate, out_shardings=everywhere, compiler_options=options)


@functools.lru_cache(maxsize=16)
def _durations(model: ModelConfig, languages: int):
    """A jitted function of parameters and text int32 [B, S] to the frames of its tokens."""
    module = Text2Pose(model, compute_dtype(model.dtype), languages)

    def frames(params, text):
        segment = (text > 0).astype(np.int32)
        return apply(module, params, text, segment, method="encode").frames

    return jax.jit(frames)


def make_clip(
    frames: np.ndarray, seen: np.ndarray, statistics: Statistics, ended: bool = True
) -> PoseClip:
    """The model's frames [T, 3J] and shown joints bool [T, J] as a PoseClip of confidence 0 or 1.

    A joint that train never shows is never shown; whatever hangs on a joint that is not shown
    (a hand on its wrist) has been learned without it and is not shown either.
    """
    positions = restore_frames(frames, statistics)
    shown = seen & (statistics.seen > 0)
    if statistics.layout == DWPOSE128.name:
        positions[..., 2] = shown  # flat: the third number is the confidence
    confidence = shown.astype(np.float32)
    return PoseClip(positions, confidence, statistics.fps, statistics.layout, ended=ended)
