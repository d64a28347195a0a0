"""From pose clips to texts with stacked readers: standardize, read in batches, decode."""

import functools
from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Float

from signllm_jax.artifacts.group import Group
from signllm_jax.core.config import Config, ModelConfig, ReadingConfig
from signllm_jax.core.errors import DataError
from signllm_jax.core.typing import Array, Tree
from signllm_jax.inference import text_decoding
from signllm_jax.inference.padding import padded
from signllm_jax.models.layers.precision import compute_dtype
from signllm_jax.models.pose2text import Pose2Text
from signllm_jax.parallel import language_axis, sharding
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.features import make_frames
from signllm_jax.text.tokenizer import UNKNOWN

_SHAPES = 64  # lengths are rounded up to multiples, so that few shapes are compiled


class BackTranslator:
    """Reads clips of L languages on a mesh; readers of equal size share one program per length.

    Args:
        config: Config of the readers' run.
        groups: Groups in the order of the language axis.
        mesh: Mesh that the parameters lie on.
        batch_size: Clips per language read together, a multiple of the mesh's row axes.
    """

    def __init__(self, config: Config, groups: Sequence[Group], mesh, batch_size: int):
        self._groups, self._mesh, self._batch_size = groups, mesh, batch_size
        self._patch = config.model.patch
        tokens = max(group.row_tokens for group in groups)
        self._read = _program(config.model, config.reading, tokens, mesh)
        ids = np.arange(config.model.vocab)
        self._allowed = np.stack([ids < group.needed_tokenizer.size for group in groups])
        self._allowed[:, UNKNOWN] = False  # texts have no unknown tokens

    def __call__(self, params: Tree, clips: Sequence[Sequence[PoseClip]]) -> list[list[str]]:
        """Reads the clips of every language; '' for a clip without frames.

        Joints of confidence 0 are read as missing. Nothing but the clips is read.

        Args:
            params: Stacked parameters [L, ...] on the mesh.
            clips: Clips per language (counts may differ).

        Raises:
            DataError: A clip has another layout or frame rate than the reader's train clips.
        """
        frames = [
            [self._standardized(clip, group) for clip in lane]
            for lane, group in zip(clips, self._groups)
        ]
        longest = max((len(clip) for lane in frames for clip in lane), default=1)
        multiple = int(np.lcm(_SHAPES, self._patch))
        time = -(-max(longest, 1) // multiple) * multiple
        size = 3 * len(self._groups[0].needed_statistics.mean)
        rows = sharding.batch_sharding(self._mesh)
        lanes = jax.sharding.NamedSharding(self._mesh, sharding.partition_spec(("language",)))
        allowed = sharding.place(self._allowed, lanes)
        texts: list[list[str]] = [[] for _ in clips]
        for start in range(0, max(map(len, clips), default=0), self._batch_size):
            chosen = [lane[start : start + self._batch_size] for lane in frames]
            shape = (self._batch_size, time, size)
            values = np.stack([padded(lane, shape, np.float32) for lane in chosen])
            length = padded([list(map(len, lane)) for lane in chosen], values.shape[:2])
            with sharding.use_mesh(self._mesh):
                placed = sharding.place(values, rows), sharding.place(length, rows), allowed
                read = jax.device_get(self._read(params, *placed))
            for i, lane in enumerate(chosen):
                decode = self._groups[i].needed_tokenizer.decode
                tokens = read[i, : len(lane)]
                texts[i] += [decode(ids.tolist()) if ids.any() else "" for ids in tokens]
        return texts

    def _standardized(self, clip: PoseClip, group: Group) -> Float[Array, "T coords"]:
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
        clips = frames, length, allowed
        return text_decoding.read(module, params, *clips, tokens, reading.beams)[0]

    return jax.jit(language_axis.lift(read), out_shardings=sharding.replicated(mesh))
