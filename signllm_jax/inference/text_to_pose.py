"""From texts to pose clips with stacked groups: encode, generate in batches, restore positions."""

import functools
from collections.abc import Sequence

import jax
import numpy as np

from signllm_jax.core.config import ModelConfig
from signllm_jax.core.errors import TextError
from signllm_jax.core.skeleton import DWPOSE128
from signllm_jax.core.typing import Tree
from signllm_jax.inference import pose_decoding
from signllm_jax.models.layers.precision import compute_dtype
from signllm_jax.models.text2pose import Text2Pose
from signllm_jax.parallel import sharding
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.features import Statistics, restore_frames
from signllm_jax.poses.join import join_clips
from signllm_jax.text.spelling import spelled_runs
from signllm_jax.text.tokenizer import Tokenizer

PAUSE = 0.4
"""Seconds of the pause that stands for a space or a mark between spelled letters."""


class Producer:
    """Free-running production for L languages on a mesh; one compilation a batch shape.

    Args:
        model: sizes of a group.
        tokenizers, statistics: one a language, in the order of the language axis.
        mesh: where the parameters lie.
        tokens: S, the longest text in tokens; longer ones are refused.
        max_frames: longest clip.
        batch_size: texts of a language decoded together, a multiple of the mesh's row axes.
        languages: rows of the language marks where the texts are LangGloss, 0 = they are not.
    """

    def __init__(
        self,
        model: ModelConfig,
        tokenizers: Sequence[Tokenizer],
        statistics: Sequence[Statistics],
        mesh,
        *,
        tokens: int,
        max_frames: int,
        batch_size: int,
        languages: int = 0,
    ):
        self._tokenizers, self._statistics = tokenizers, statistics
        self._mesh, self._tokens, self._batch_size = mesh, tokens, batch_size
        self._generate = _compiled(model, mesh, max_frames, languages)

    def encode(self, text: str, language: int) -> list[int]:
        """Token ids of a text; raises TextError when it cannot be written or is too long."""
        ids = [token for part in self._parts(text, language) for token in part]
        if len(ids) > self._tokens:
            raise TextError(
                f"the text has {len(ids)} tokens, the model reads at most {self._tokens}: "
                f"{text[:40]!r}"
            )
        return ids

    def _parts(self, text: str, language: int) -> list[list[int]]:
        """Token ids of what is produced by itself: all, or what is spelled between the marks."""
        tokenizer = self._tokenizers[language]
        if getattr(tokenizer, "kind", "") != "letters":
            return [tokenizer.encode(text)]
        runs, marks = spelled_runs(text, tokenizer.letters())
        if marks and not runs:
            raise TextError(f"there is no letter to spell in {text[:40]!r}")
        return [tokenizer.encode(run) for run in runs or [text]]

    def __call__(
        self, params: Tree, texts: Sequence[Sequence[str]]
    ) -> list[list[tuple[PoseClip, bool]]]:
        """Produces the texts of every language.

        Args:
            params: stacked parameters [L, ...] on the mesh.
            texts: for every language its texts (counts may differ).

        Returns:
            For every language and text the clip, and whether it ended by its counter (False: it
            was cut off at the longest length). Where words are spelled, a pause stands for white
            space and punctuation.
        """
        parts = [
            [self._parts(text, i) for text in group if self.encode(text, i)]
            for i, group in enumerate(texts)
        ]
        made = self._produce(params, [[ids for text in group for ids in text] for group in parts])
        joined = []
        for group, clips in zip(parts, map(iter, made)):
            runs = [[next(clips) for _ in text] for text in group]
            joined.append(
                [(join_clips([c for c, _ in run], PAUSE), all(e for _, e in run)) for run in runs]
            )
        return joined

    def _produce(
        self, params: Tree, ids: Sequence[Sequence[list[int]]]
    ) -> list[list[tuple[PoseClip, bool]]]:
        """The clips of token ids, batch by batch."""
        most = max((len(group) for group in ids), default=0)
        clips: list[list[tuple[PoseClip, bool]]] = [[] for _ in ids]
        for start in range(0, most, self._batch_size):
            batch = np.zeros((len(ids), self._batch_size, self._tokens), np.int32)
            for i, group in enumerate(ids):
                for j, tokens in enumerate(group[start : start + self._batch_size]):
                    batch[i, j, : len(tokens)] = tokens
            made = self._run(params, batch)
            for i, group in enumerate(ids):
                for j in range(len(group[start : start + self._batch_size])):
                    end = made.length[i, j]
                    clip = make_clip(
                        made.frames[i, j, :end], made.seen[i, j, :end], self._statistics[i]
                    )
                    clips[i].append((clip, bool(made.ended[i, j])))
        return clips

    def warm_up(self, params: Tree) -> None:
        """Compiles, or loads what has been compiled, by decoding nothing."""
        shape = (len(self._tokenizers), self._batch_size, self._tokens)
        self._run(params, np.zeros(shape, np.int32))

    def _run(self, params: Tree, batch: np.ndarray) -> pose_decoding.Generated:
        with sharding.use_mesh(self._mesh):
            placed = sharding.place(batch, sharding.batch_sharding(self._mesh))
            return jax.device_get(self._generate(params, placed))


@functools.lru_cache(maxsize=16)
def _compiled(model: ModelConfig, mesh, max_frames: int, languages: int):
    """One jitted function for all producers of the same sizes: languages share its programs."""
    module = Text2Pose(model, compute_dtype(model.dtype), languages)

    def generate(params, text):
        return pose_decoding.generate_lanes(module, params, text, max_frames)

    everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    options = pose_decoding.compiler_options(mesh)
    return jax.jit(generate, out_shardings=everywhere, compiler_options=options)


def make_clip(frames: np.ndarray, seen: np.ndarray, statistics: Statistics) -> PoseClip:
    """The model's frames [T, 3J] and shown joints bool [T, J] as a PoseClip of confidence 0 or 1.

    A joint that train never shows is never shown; whatever hangs on a joint that is not shown
    (a hand on its wrist) has been learnt without it and is not shown either.
    """
    positions = restore_frames(frames, statistics)
    shown = seen & (statistics.seen > 0)
    if statistics.layout == DWPOSE128.name:
        positions[..., 2] = shown  # flat: the third number is the confidence
    return PoseClip(positions, shown.astype(np.float32), statistics.fps, statistics.layout)
