"""What the benchmarks of training, decoding and input work on: a config and made clips."""

import dataclasses
from collections.abc import Sequence

import jax
import numpy as np
from absl import flags

from configs import mlsf
from signllm_jax.artifacts.group import Group
from signllm_jax.core.config import Config, ModelConfig, read_config
from signllm_jax.core.errors import ConfigError
from signllm_jax.core.skeleton import get_layout
from signllm_jax.data.splits import Source
from signllm_jax.models import mlsf as model
from signllm_jax.poses.features import Statistics
from signllm_jax.text.tokenizer import Tokenizer

LIKE = flags.DEFINE_enum(
    "like", None, ("progressive_transformers",), "the size and the clips of another system"
)
SIZE = flags.DEFINE_enum("size", "tiny", ("tiny", "base", "large"), "of the model")
LENGTHS = flags.DEFINE_list("lengths", None, "frames of the clips, by default the peer's")
TOKENS = flags.DEFINE_integer("tokens", 14, "of the text of a clip", lower_bound=1)

PEER_LENGTHS = (86, 126, 168, 185, 71)
# 15.4M parameters with the rows of the token table; 0 dropout is the demo's, 0.1 the larger sizes'
PEER_MODEL = {"vocab": 1100, "width": 512, "heads": 8, "mlp": 2048, "patch": 1, "dropout": 0.0}


def lengths() -> tuple[int, ...]:
    """Frames of the clips."""
    try:
        found = tuple(int(value) for value in LENGTHS.value or PEER_LENGTHS)
    except ValueError:
        found = ()
    if not found or min(found) < 1:
        raise ConfigError(f"--lengths: {LENGTHS.value}: give frames, such as 86,126")
    return found


def make_config(**sections) -> Config:
    """The config of the flags; `sections` are further values, a dict each."""
    values = mlsf.get_config(f"fingerspelling,{SIZE.value}").to_dict()
    if LIKE.value:
        values["model"] |= PEER_MODEL
    values["model"]["dtype"] = "float32"
    values["rl"] |= {"plc": False, "loss": "mse"}  # what the channel costs: benchmark replay
    for name, section in sections.items():
        values[name] |= section
    return read_config(values)


class MadeClips(Source):
    """A train split in memory, whose clips are random numbers.

    Args:
        language: code.
        frames: T of every clip.
        layout: skeleton layout.

    Attributes:
        language: code.
        texts, lengths: of every clip; its length is T in frames.
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
    """Operations of matrix products that one clip asks for in a forward pass.

    Two for each weight and number that goes through it, and attention only to what it may see:
    no padding, no later frame, no other clip. A train step takes three times as many.

    Args:
        config: sizes of the group.
        frames: T, a multiple of the patch.
        tokens: S.
    """
    shapes = jax.tree.map(lambda leaf: leaf.shape, _abstract(config), is_leaf=_has_shape)
    of_frames = of_tokens = 0
    for path, shape in jax.tree_util.tree_flatten_with_path(
        shapes, is_leaf=lambda leaf: isinstance(leaf, tuple)
    )[0]:
        names = "/".join(str(key.key) for key in path)
        if not names.endswith("kernel"):
            continue
        of_text = names.startswith(("encoder", "text_progress")) or (
            "cross_attention/key" in names or "cross_attention/value" in names
        )
        of_tokens += of_text * 2 * int(np.prod(shape))
        of_frames += (not of_text) * 2 * int(np.prod(shape))
    steps = frames // config.patch
    seen = config.encoder_layers * tokens**2
    seen += config.decoder_layers * (steps * (steps + 1) // 2 + steps * tokens)
    return steps * of_frames + tokens * of_tokens + 4 * config.width * seen


def _has_shape(leaf) -> bool:
    return hasattr(leaf, "shape")


def _abstract(config: ModelConfig):
    import flax.linen as nn

    return nn.unbox(model.abstract_group(config))


def describe(config: Config) -> dict:
    """The fields of a row that tell the size."""
    return {
        "parameters": model.count_parameters(config.model),
        **{k: v for k, v in dataclasses.asdict(config.model).items() if k in _TOLD},
    }


_TOLD = ("width", "heads", "mlp", "encoder_layers", "decoder_layers", "patch")
