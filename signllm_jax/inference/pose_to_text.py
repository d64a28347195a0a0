"""From pose clips to texts with stacked readers: standardize, read in batches, decode."""

import functools
from collections.abc import Sequence

import jax
import numpy as np

from signllm_jax.artifacts.group import Group
from signllm_jax.core.config import Config, ModelConfig, ReadingConfig
from signllm_jax.core.errors import DataError
from signllm_jax.core.typing import Tree
from signllm_jax.inference import text_decoding
from signllm_jax.models.layers.precision import compute_dtype
from signllm_jax.models.pose2text import Pose2Text
from signllm_jax.parallel import language_axis, sharding
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.features import make_frames
from signllm_jax.text.tokenizer import UNKNOWN

_SHAPES = 64  # lengths are rounded up to multiples, so that few shapes are compiled


class BackTranslator:
    """Reading for L languages on a mesh; one compilation a length, shared by readers of equal size.

    Args:
        config: of the readers' run.
        groups: of every language, in the order of the language axis.
        mesh: where the parameters lie.
        batch_size: clips of a language read together, a multiple of the mesh's row axes.
    """

    def __init__(self, config: Config, groups: Sequence[Group], mesh, batch_size: int):
        self._groups, self._mesh, self._batch_size = groups, mesh, batch_size
        self._patch = config.model.patch
        tokens = max(group.row_tokens for group in groups)
        self._read = _program(config.model, config.reading, tokens, mesh)
        ids = np.arange(config.model.vocab)
        self._allowed = np.stack([ids < group.needed_tokenizer.size for group in groups])
        self._allowed[:, UNKNOWN] = False  # no text has what cannot be written

    def __call__(self, params: Tree, clips: Sequence[Sequence[PoseClip]]) -> list[list[str]]:
        """Reads the clips of every language; '' for a clip without frames.

        Joints of confidence 0 enter as missing; nothing but the clips is looked at.

        Args:
            params: stacked parameters [L, ...] on the mesh.
            clips: for every language its clips (counts may differ).

        Raises:
            DataError: a clip has another layout or frame rate than the reader learned from.
        """
        frames = [
            [self._standardised(clip, group) for clip in own]
            for own, group in zip(clips, self._groups)
        ]
        longest = max((len(clip) for own in frames for clip in own), default=1)
        multiple = int(np.lcm(_SHAPES, self._patch))
        time = -(-max(longest, 1) // multiple) * multiple
        size = 3 * len(self._groups[0].needed_statistics.mean)
        texts: list[list[str]] = [[] for _ in clips]
        for start in range(0, max(map(len, clips), default=0), self._batch_size):
            shape = (len(clips), self._batch_size)
            values, length = np.zeros((*shape, time, size), np.float32), np.zeros(shape, np.int32)
            chosen = [own[start : start + self._batch_size] for own in frames]
            for i, own in enumerate(chosen):
                for j, clip in enumerate(own):
                    values[i, j, : len(clip)], length[i, j] = clip, len(clip)
            with sharding.use_mesh(self._mesh):
                rows = sharding.batch_sharding(self._mesh)
                language = jax.sharding.NamedSharding(
                    self._mesh, sharding.partition_spec(("language",))
                )
                placed = (
                    sharding.place(values, rows),
                    sharding.place(length, rows),
                    sharding.place(self._allowed, language),
                )
                found = jax.device_get(self._read(params, *placed))
            for i, own in enumerate(chosen):
                tokenizer = self._groups[i].needed_tokenizer
                texts[i] += [
                    tokenizer.decode(ids.tolist()) if ids.any() else ""
                    for ids in found[i, : len(own)]
                ]
        return texts

    def _standardised(self, clip: PoseClip, group: Group) -> np.ndarray:
        """The frames [T, D - 1] of a clip as the reader of its language sees them."""
        statistics = group.needed_statistics
        if clip.layout != statistics.layout:
            raise DataError(
                f"the reader of {group.language} reads {statistics.layout} clips, not {clip.layout}"
            )
        if abs(clip.fps / statistics.fps - 1) > 0.02:
            raise DataError(
                f"the reader of {group.language} reads {statistics.fps:g} frames per second, "
                f"not {clip.fps:g}"
            )
        return make_frames(clip.positions, clip.confidence, statistics)[0][:, :-1]


@functools.lru_cache(maxsize=8)
def _program(model: ModelConfig, reading: ReadingConfig, tokens: int, mesh):
    """The compiled reading, which readers of equal size share."""
    module = Pose2Text(model, reading, compute_dtype(model.dtype))

    def read(params, frames, length, allowed):
        given = frames, length, allowed, tokens, reading.beams
        return text_decoding.read(module, params, *given)[0]

    everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    return jax.jit(language_axis.lift(read), out_shardings=everywhere)
