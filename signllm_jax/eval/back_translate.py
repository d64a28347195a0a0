"""Back-translation of fingerspelling: a reader of poses, trained on real train clips only.

Each language has a `PoseReader` with its own weights; all are trained in one loop over stacked
parameters like MLSF. A reader must read productions fairly: as they are (nothing of a reference is
used), robust to small errors and sensitive to badly formed hands. Hence the distortions of
`reader_clips` and the short view of `PoseReader`.
"""

import dataclasses
import functools
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import flax.linen as nn
import flax.serialization
import jax
import jax.numpy as jnp
import numpy as np
import optax

from signllm_jax.artifacts.group import digest, write_file
from signllm_jax.core.errors import CheckpointError
from signllm_jax.core.languages import get_language
from signllm_jax.core.schema import parse_json
from signllm_jax.core.storage import AnyPath, read_regular
from signllm_jax.core.typing import Tree
from signllm_jax.data.examples import Examples
from signllm_jax.eval.reader_clips import Distortion, ReaderClips
from signllm_jax.models.back_translation import BLANK, PoseReader, greedy
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.features import Statistics, make_frames
from signllm_jax.text.tokenizer import UNKNOWN, Encoder

_FORMAT = 1  # of a saved reader; one of another format is trained again
_BATCH = 40  # clips read together


@dataclasses.dataclass(frozen=True)
class ReaderConfig:
    """How a reader is trained.

    Attributes:
        seed: Seed of the weights, the order of the clips and their distortions.
        steps: Number of optimizer steps.
        batch_size: Number of clips per language and step.
        learning_rate: Peak learning rate of AdamW: a tenth of the steps warms up, then it decays
            to 0 by a cosine.
        width: Width M of the network.
        layers: Number of convolutions; each adds a step of 4 frames on either side to the view.
        clips: Greatest number of train clips per language; the first ones are used.
        frames: Greatest number of frames of a train clip. A reader sees hardly more than a letter
            at a time, so longer clips teach it nothing and cost much.
        distortion: How the clips are distorted.
    """

    seed: int = 0
    steps: int = 350
    batch_size: int = 12
    learning_rate: float = 3e-3
    width: int = 96
    layers: int = 2
    clips: int = 4000
    frames: int = 112
    distortion: Distortion = dataclasses.field(default_factory=Distortion)


class Writer(Encoder, Protocol):
    """The tokenizer that a reader writes with: a `Tokenizer`, or a class with the same methods."""

    model: bytes

    @property
    def size(self) -> int:
        """Number of ids in use."""
        ...

    def decode(self, ids: Sequence[int], /) -> str:
        """The text of ids."""
        ...


@dataclasses.dataclass(frozen=True)
class Reader:
    """Trained readers of L languages.

    Attributes:
        config: How they were trained.
        languages: Codes of the languages, in the order of the parameters.
        tokenizers: Tokenizer of each language.
        statistics: Statistics of each language.
        params: Stacked parameters [L, ...], numpy.
        cpu_seconds: CPU seconds of the training.
    """

    config: ReaderConfig
    languages: tuple[str, ...]
    tokenizers: tuple[Writer, ...]
    statistics: tuple[Statistics, ...]
    params: Tree
    cpu_seconds: float

    def read(self, language: int, clips: Sequence[PoseClip]) -> list[str]:
        """The text that each clip spells, by the best CTC path; '' for a clip without frames.

        Joints of confidence 0 enter as missing; nothing but the clips is looked at.

        Args:
            language: Index of the language in `languages`.
            clips: Clips of the layout that the reader was trained on.
        """
        tokenizer = self.tokenizers[language]
        texts = []
        for logits in self.scores(language, clips):
            (ids,) = greedy(logits[None], np.zeros((1, len(logits))))
            texts.append(tokenizer.decode(ids) if ids else "")
        return texts

    def scores(self, language: int, clips: Sequence[PoseClip]) -> list[np.ndarray]:
        """The CTC logits of each clip, float32 [steps, ids]; -inf for ids that are not written.

        Arguments as for `read`; a step is `PoseReader.stride` frames.
        """
        statistics, tokenizer = self.statistics[language], self.tokenizers[language]
        module = _module(self.tokenizers, self.config)
        params = jax.tree.map(lambda leaf: leaf[language], self.params)
        longest = -(-max([1, *map(len, clips)]) // 64) * 64  # few shapes
        scores = []
        for start in range(0, len(clips), _BATCH):
            batch = clips[start : start + _BATCH]
            padded = np.zeros((_BATCH, longest, 3 * len(statistics.mean)), np.float32)
            length = np.zeros(_BATCH, np.int32)
            for row, clip in enumerate(batch):
                frames, _ = make_frames(clip.positions, clip.confidence, statistics)
                padded[row, : len(clip)], length[row] = frames[:, :-1], len(clip)
            logits, padding = map(np.array, _score(module, params, padded, length))
            logits[..., UNKNOWN] = -np.inf  # no text has what cannot be written
            logits[..., tokenizer.size :] = -np.inf
            scores += [row[end == 0] for row, end in zip(logits, padding)][: len(batch)]
        return scores


def _module(tokenizers: Sequence[Writer], config: ReaderConfig) -> PoseReader:
    size = max(tokenizer.size for tokenizer in tokenizers)
    return PoseReader(size, config.width, layers=config.layers)


@functools.partial(jax.jit, static_argnums=0)
def _score(module, params, frames, length):
    return module.apply({"params": params}, frames, length)


def _loss(params, module, frames, length, ids):
    logits, padding = module.apply({"params": params}, frames, length)
    missing = (ids == BLANK).astype(jnp.float32)
    return optax.ctc_loss(logits, padding, ids, missing, blank_id=BLANK).mean()


def _initial(module: PoseReader, size: int, random: np.random.Generator) -> Tree:
    """Initial weights as the layers draw them, but by numpy: compiling that would cost an eighth
    of the whole training.
    """
    frames, length = jnp.zeros((1, module.stride, size)), jnp.ones(1, jnp.int32)
    shapes = jax.eval_shape(lambda: nn.unbox(module.init(jax.random.key(0), frames, length)))

    def draw(path, leaf):
        name = path[-1].key
        if name == "kernel":
            return random.normal(0, leaf.shape[0] ** -0.5, leaf.shape).astype(np.float32)
        return np.full(leaf.shape, float(name == "scale"), np.float32)

    return jax.tree_util.tree_map_with_path(draw, shapes["params"])


def train_reader(
    sources: Sequence[Examples],
    tokenizers: Sequence[Writer],
    statistics: Sequence[Statistics],
    config: ReaderConfig = ReaderConfig(),
    progress: Callable[[int, np.ndarray], None] | None = None,
) -> Reader:
    """Trains the readers of all languages on their real train clips.

    The same config and data give the same reader on one machine. The weights and clips of a
    language depend on its code and not on its position in the list.

    Args:
        sources: Train split of each language.
        tokenizers: Tokenizer of each language, whose ids the reader writes.
        statistics: Statistics of each language.
        config: Sizes, seed and distortions.
        progress: Is called after each step with its number and the losses [L].

    Raises:
        DataError: A language has no train clip.
    """
    begun = time.process_time()
    languages = tuple(source.language for source in sources)
    clips = [
        ReaderClips(source, tokenizer, values, config.clips, config.frames, config.distortion)
        for source, tokenizer, values in zip(sources, tokenizers, statistics)
    ]
    draws = [np.random.default_rng([config.seed, get_language(c).stable_hash]) for c in languages]
    tokens = max(lang_clips.tokens for lang_clips in clips)
    frames = -(-max(lang_clips.frames for lang_clips in clips) // 16) * 16
    module = _module(tokenizers, config)
    schedule = optax.warmup_cosine_decay_schedule(
        0.0, config.learning_rate, config.steps // 10, config.steps
    )
    tx = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(schedule, weight_decay=1e-3))

    def update(state, values, length, ids):
        params, moments = state
        loss, grads = jax.value_and_grad(_loss)(params, module, values, length, ids)
        updates, moments = tx.update(grads, moments, params)
        return (optax.apply_updates(params, updates), moments), loss

    step = jax.jit(jax.vmap(update), donate_argnums=0)
    drawn = [_initial(module, 3 * len(statistics[0].mean), random) for random in draws]
    params = jax.tree.map(lambda *leaves: np.stack(leaves), *drawn)
    state = params, jax.vmap(tx.init)(params)
    for number in range(config.steps):
        drawn = [c.batch(r, config.batch_size, frames, tokens) for c, r in zip(clips, draws)]
        state, loss = step(state, *map(np.stack, zip(*drawn)))
        if progress:
            progress(number + 1, np.asarray(loss))
    params, spent = jax.device_get(state[0]), time.process_time() - begun
    return Reader(config, languages, tuple(tokenizers), tuple(statistics), params, spent)


def _described(config, languages, tokenizers, statistics) -> dict:
    sha = hashlib.sha256()
    for tokenizer, values in zip(tokenizers, statistics):
        sha.update(tokenizer.model)
        sha.update(json.dumps(values.to_dict(), sort_keys=True).encode())
    return {
        "format": _FORMAT,
        "config": dataclasses.asdict(config),
        "languages": list(languages),
        "tokenizers_and_statistics": sha.hexdigest(),
    }


def save_reader(folder: AnyPath, reader: Reader) -> None:
    """Writes `params.msgpack` and, when that is in place, `reader.json`, which describes it."""
    folder.mkdir(parents=True, exist_ok=True)
    write_file(folder / "params.msgpack", flax.serialization.msgpack_serialize(reader.params))
    described = _described(reader.config, reader.languages, reader.tokenizers, reader.statistics)
    described |= {"cpu_seconds": reader.cpu_seconds, "sha256": digest(reader.params)}
    write_file(folder / "reader.json", json.dumps(described, indent=1).encode())


def load_reader(
    folder: AnyPath,
    languages: Sequence[str],
    tokenizers: Sequence[Writer],
    statistics: Sequence[Statistics],
    config: ReaderConfig = ReaderConfig(),
) -> Reader | None:
    """The saved reader, or None where there is none of this config and these languages.

    Raises:
        CheckpointError: The saved reader is damaged.
    """
    try:
        described = parse_json(read_regular(folder / "reader.json"))
        expected = _described(config, languages, tokenizers, statistics)
        if any(described.get(key) != value for key, value in expected.items()):
            return None
        params = flax.serialization.msgpack_restore(read_regular(folder / "params.msgpack"))
        if digest(params) != described["sha256"]:
            raise ValueError("its digest is not the one in reader.json")
        spent = described["cpu_seconds"]
        return Reader(config, tuple(languages), tuple(tokenizers), tuple(statistics), params, spent)
    except FileNotFoundError:
        return None
    except Exception as error:  # json and msgpack raise many kinds
        raise CheckpointError(f"{folder}: no readable reader, delete it ({error})") from None
