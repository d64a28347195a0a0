"""The config and the made clips of the benchmarks of training, decoding and input."""

import math
import re
from collections.abc import Sequence

import flax.linen as nn
import jax
import numpy as np
from absl import flags

from configs import mlsf
from launch.benchmarks.rows import numbers
from signllm_jax.artifacts.group import Group
from signllm_jax.core.config import Config, ModelConfig, read_config
from signllm_jax.core.skeleton import get_layout
from signllm_jax.data.splits import Source
from signllm_jax.models import mlsf as model
from signllm_jax.poses.features import Statistics
from signllm_jax.text.tokenizer import Tokenizer

LIKE = flags.DEFINE_enum(
    "like", None, ("progressive_transformers",), "the size and the clips of another system"
)
SIZE = flags.DEFINE_enum("size", "tiny", ("tiny", "base", "large"), "size of the model")
LENGTHS = flags.DEFINE_list("lengths", None, "frames of the clips, by default the peer's")
TOKENS = flags.DEFINE_integer("tokens", 14, "tokens in the text of a clip", lower_bound=1)

PEER_LENGTHS = (86, 126, 168, 185, 71)
# 15.4M parameters with the rows of the token table; 0 dropout is the demo's, 0.1 the larger sizes'
PEER_MODEL = {"vocab": 1100, "width": 512, "heads": 8, "mlp": 2048, "patch": 1, "dropout": 0.0}


def lengths() -> tuple[int, ...]:
    """Numbers of frames of the clips."""
    return tuple(numbers(LENGTHS, "give frames, such as 86,126")) if LENGTHS.value else PEER_LENGTHS


def make_config(**sections) -> Config:
    """The config of the flags, with further values of some sections (one dict per section)."""
    values = mlsf.get_config(f"fingerspelling,{SIZE.value}").to_dict()
    if LIKE.value:
        values["model"] |= PEER_MODEL
    values["model"]["dtype"] = "float32"
    values["rl"] |= {"plc": False, "loss": "mse"}  # the benchmark `replay` measures the channel
    for name, section in sections.items():
        values[name] |= section
    return read_config(values)


class MadeClips(Source):
    """A train split in memory, whose clips are random numbers.

    Args:
        language: Code of the language.
        frames: Number of frames of each clip, T.
        layout: Name of the skeleton layout.

    Attributes:
        language: Code of the language.
        texts, lengths: Text and number of frames of each clip.
    """

    def __init__(self, language: str, frames: Sequence[int], layout: str):
        self.language, self.lengths = language, np.array(frames, np.int64)
        self.texts = [f"clip {n}" for n in range(len(frames))]
        self._random = np.random.default_rng(len(frames))
        self._joints = get_layout(layout).size

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, index: int) -> dict:
        shape = (self.lengths[index], self._joints)
        return {
            "pose": self._random.normal(size=(*shape, 3)).astype(np.float16),
            "confidence": np.ones(shape, np.float16),
            "fps": 25.0,
        }


class CountedTokens(Tokenizer):
    """A tokenizer of texts that all have the same number of tokens."""

    def __init__(self, tokens: int, vocab: int):
        self._ids = (np.arange(tokens) % (vocab - 2) + 2).tolist()

    def encode(self, text: str) -> list[int]:
        """The ids of any text."""
        return self._ids


def made_group(config: Config, language: str) -> Group:
    """A group of `CountedTokens` whose statistics change nothing."""
    joints = get_layout(config.data.layout).size
    statistics = Statistics(
        layout=config.data.layout,
        mean=np.zeros((joints, 3), np.float32),
        deviation=np.ones(joints, np.float32),
        fps=25.0,
        frames=max(lengths()),
        seen=np.ones(joints, np.float32),
    )
    tokenizer = CountedTokens(TOKENS.value, config.model.vocab)
    return Group(
        language=language,
        model=config.model,
        tokenizer=tokenizer,
        statistics=statistics,
        dataset=config.data.dataset,
        max_frames=config.eval.max_frames,
        row_tokens=config.data.row_tokens,
    )


def clip_flops(config: ModelConfig, frames: int, tokens: int) -> int:
    """Operations of matrix products that one clip needs in a forward pass.

    Each weight costs two operations for each number it is multiplied with. Attention counts visible
    positions only: no padding, no later frame, no other clip. A train step takes three times as
    many.

    Args:
        config: Config of the model.
        frames: Number of frames T, a multiple of the patch.
        tokens: Number of tokens S.
    """
    of_frames = of_tokens = 0
    params = nn.unbox(model.abstract_group(config))
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        if not name.endswith("kernel"):
            continue
        operations = 2 * math.prod(leaf.shape)
        if re.match("encoder|text_progress|.*cross_attention/(key|value)", name):
            of_tokens += operations
        else:
            of_frames += operations
    steps = frames // config.patch
    seen = config.encoder_layers * tokens**2
    seen += config.decoder_layers * (steps * (steps + 1) // 2 + steps * tokens)
    return steps * of_frames + tokens * of_tokens + 4 * config.width * seen


def describe(config: Config) -> dict:
    """The fields of a row that describe the size of the model."""
    names = ("width", "heads", "mlp", "encoder_layers", "decoder_layers", "patch")
    sizes = {name: getattr(config.model, name) for name in names}
    return {"parameters": model.count_parameters(config.model)} | sizes
