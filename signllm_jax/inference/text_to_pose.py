"""From texts to pose clips with stacked groups: encode, generate in batches, restore positions."""

import functools
from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Bool, Float

from signllm_jax.artifacts.group import Group
from signllm_jax.core.config import ModelConfig
from signllm_jax.core.errors import TextError
from signllm_jax.core.skeleton import DWPOSE128
from signllm_jax.core.typing import Array, Tree
from signllm_jax.inference import pose_decoding
from signllm_jax.inference.padding import padded
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
    """Free-running production for L languages on a mesh; one compilation per batch shape.

    Args:
        groups: Groups in the order of the language axis, all of the same sizes. A group with a text
            stage reads LangGloss. The limits of the first group hold for all.
        mesh: Mesh that the parameters lie on.
        batch_size: Texts per language decoded together, a multiple of the mesh's row axes.
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
        learned = first.model.token_durations
        self._durations = _durations(first.model, languages) if learned else None

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
            params: Stacked parameters [L, ...] on the mesh.
            texts: Texts per language (counts may differ).
            draws: Draw of each text's clip, for models that draw; None = each text has a draw of
                its own by its index, as clips of a corpus vary.

        Returns:
            Per language and text the clip, and whether it ended by its counter (False: it was cut
            off at the longest length).
        """
        ids = [[self.encode(text, i) for text in group] for i, group in enumerate(texts)]
        if draws is None:
            draws = [[Draw(sample=sample) for sample in range(len(group))] for group in texts]
        clips: list[list[tuple[PoseClip, bool]]] = [[] for _ in texts]
        for start in range(0, max(map(len, ids), default=0), self._batch_size):
            batch = [group[start : start + self._batch_size] for group in ids]
            made = self._run(params, batch, [group[start:] for group in draws])
            for i, group in enumerate(batch):
                for j in range(len(group)):
                    end, ended = made.length[i, j], bool(made.ended[i, j])
                    arrays = made.frames[i, j, :end], made.seen[i, j, :end]
                    clips[i].append((make_clip(*arrays, self._statistics[i], ended), ended))
        return clips

    def durations(self, params: Tree, texts: Sequence[str]) -> list[Float[Array, " tokens"] | None]:
        """Duration in frames of each token, float32 [tokens], for texts of the first language.

        None for each text if the model does not learn durations (`model.token_durations`).
        """
        if self._durations is None:
            return [None] * len(texts)
        durations: list[np.ndarray | None] = []
        first_params = jax.tree.map(lambda leaf: leaf[0], params)
        for start in range(0, len(texts), self._batch_size):
            ids = [self.encode(text, 0) for text in texts[start : start + self._batch_size]]
            batch = padded(ids, (self._batch_size, self._tokens))
            with sharding.use_mesh(self._mesh):
                frames = jax.device_get(self._durations(first_params, batch))
            durations += [row[: len(tokens)] for row, tokens in zip(frames, ids)]
        return durations

    def warm_up(self, params: Tree) -> None:
        """Compiles the programs, or loads compiled ones, by decoding nothing."""
        nothing = [()] * len(self._tokenizers)
        self._run(params, nothing, nothing)
        self.durations(params, [""])

    def _run(
        self, params: Tree, ids: Sequence[Sequence[Sequence[int]]], draws: Sequence[Sequence[Draw]]
    ) -> pose_decoding.Generated:
        """Generates the clips of at most `batch_size` texts of every language."""
        size = self._batch_size
        inputs = [np.stack([padded(group, (size, self._tokens)) for group in ids])]
        if self._draws:
            noise = ([draw.noise(self._draws) for draw in group[:size]] for group in draws)
            shape = (size, self._draws)
            inputs.append(np.stack([padded(group, shape, np.float32) for group in noise]))
        with sharding.use_mesh(self._mesh):
            rows = sharding.batch_sharding(self._mesh)
            placed = [sharding.place(values, rows) for values in inputs]
            return jax.device_get(self._generate(params, *placed))


@functools.lru_cache(maxsize=16)
def _compiled(model: ModelConfig, mesh, max_frames: int, languages: int):
    """One jitted function for all producers of the same sizes: languages share its programs."""
    module = Text2Pose(model, compute_dtype(model.dtype), languages)

    def generate(params, text, noise=None):
        return pose_decoding.generate_lanes(module, params, text, max_frames, noise)

    options = pose_decoding.compiler_options(mesh)
    return jax.jit(generate, out_shardings=sharding.replicated(mesh), compiler_options=options)


@functools.lru_cache(maxsize=16)
def _durations(model: ModelConfig, languages: int):
    """A jitted function of parameters and text int32 [B, S] to the frames of its tokens."""
    module = Text2Pose(model, compute_dtype(model.dtype), languages)

    def frames(params, text):
        segment = (text > 0).astype(np.int32)
        return apply(module, params, text, segment, method="encode").frames

    return jax.jit(frames)


def make_clip(
    frames: Float[Array, "T coords"],
    seen: Bool[Array, "T J"],
    statistics: Statistics,
    ended: bool = True,
) -> PoseClip:
    """A PoseClip of the model's frames [T, 3J] and shown joints bool [T, J], of confidence 0 or 1.

    A joint that no train clip shows is never shown. The joints that hang on it (a hand on its
    wrist) have been learned without it and are not shown either.
    """
    positions = restore_frames(frames, statistics)
    shown = seen & (statistics.seen > 0)
    if statistics.layout == DWPOSE128.name:
        positions[..., 2] = shown  # flat: the third number is the confidence
    confidence = shown.astype(np.float32)
    return PoseClip(positions, confidence, statistics.fps, statistics.layout, ended=ended)
