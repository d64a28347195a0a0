"""Trains back-translation on real clips: from frames to text, one reader per language."""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp

from signllm_jax.artifacts.group import Group
from signllm_jax.core.config import Config
from signllm_jax.core.skeleton import get_layout
from signllm_jax.core.typing import Array, Tree
from signllm_jax.data.batches import TrainData
from signllm_jax.data.splits import Source
from signllm_jax.inference.pose_to_text import BackTranslator
from signllm_jax.metrics.text_metrics import error_rates
from signllm_jax.models.apply import apply
from signllm_jax.models.layers.precision import compute_dtype
from signllm_jax.models.losses import reading_losses
from signllm_jax.models.pose2text import Pose2Text, with_ends
from signllm_jax.poses.clip import PoseClip
from signllm_jax.text.glosses import encode_glosses
from signllm_jax.text.tokenizer import normalize_text
from signllm_jax.train.augment import distort
from signllm_jax.train.task import DevSet, Task


class BackTranslationTask(Task):
    """One Pose2Text per language; keeps the best free-running character error rate on dev."""

    lead = "cer"
    lead_title = "character error rate (lower is better)"

    def _module(self, dtype=jnp.float32) -> Pose2Text:
        return Pose2Text(self.config.model, self.config.reading, dtype)

    def init_lane(self, key):
        """See Task."""
        patch = self.config.model.patch
        frames = jnp.zeros((1, patch, 3 * get_layout(self.config.data.layout).size))
        steps, tokens = jnp.ones((1, patch), jnp.int32), jnp.ones((1, 2), jnp.int32)
        return self._module().init(key, frames, steps, tokens, tokens)["params"]

    def loss(self, params, batch, key):
        """See Task; predicts tokens from distorted frames with teacher forcing."""
        config = self.config
        distort_key, hide_key, dropout_key = jax.random.split(key, 3)
        target, segment = with_ends(batch.text, batch.text_segment, batch.example.shape[-1])
        logits, memory = apply(
            self._module(compute_dtype(config.model.dtype)),
            params,
            distort(batch, distort_key, config.reading),
            batch.segment,
            _history(target, segment, hide_key, config.reading.history_drop),
            segment,
            training=True,
            rngs={"dropout": dropout_key},
        )
        terms = reading_losses(logits, target, segment, memory, batch.gloss, config.reading)
        frames = (batch.segment > 0).sum().astype(jnp.float32)
        return terms["loss"], terms | {"frames": frames}

    def train_data(self, languages, groups):
        """See Task; with glosses if the reader has a gloss head."""
        reading = self.config.reading
        sources = list(self.open_splits(languages, "train").values())
        glosses = None
        if reading.gloss_vocab:
            glosses = [encode_glosses(s.units, g.glosses) for s, g in zip(sources, groups)]
        return TrainData.of(
            self.config, sources, groups, glosses=glosses, row_glosses=reading.row_glosses
        )

    def dev_set(self, languages, groups, mesh, workdir=None):
        """See Task."""
        return ReadingDevSet(self.config, self.open_splits(languages, "dev"), groups, mesh)


def _history(target: Array, segment: Array, key: Array, hidden: float) -> Array:
    """The token before each in its text [B, S]; 0 at a text's start and where it is dropped."""
    before = jnp.pad(target, ((0, 0), (1, 0)))[:, :-1]
    follows = segment == jnp.pad(segment, ((0, 0), (1, 0)))[:, :-1]
    return before * (follows & jax.random.bernoulli(key, 1 - hidden, target.shape))


class ReadingDevSet(DevSet):
    """Reads the dev clips of all languages.

    Args:
        config: Config of the run.
        sources: Dev split of every language; DataError is raised if one cannot be read.
        groups: Group of every language.
        mesh: Mesh of the run.
    """

    def __init__(
        self, config: Config, sources: Mapping[str, Source], groups: Sequence[Group], mesh
    ):
        self._texts: dict[str, list[str]] = {}
        self._clips: list[list[PoseClip]] = []
        for code, data in sources.items():
            texts = [normalize_text(text, code) for text in data.texts]
            chosen = [i for i, text in enumerate(texts) if text][: config.eval.clips or None]
            self._texts[code] = [texts[i] for i in chosen]
            self._clips.append([data.clip(i) for i in chosen])
        self._reader = BackTranslator(config, groups, mesh, config.eval.batch_size)

    def score(self, params: Tree) -> dict[str, dict[str, float]]:
        """`cer`, `wer` and `exact_match` of each language; see DevSet."""
        readings = self._reader(params, self._clips)
        return {
            code: error_rates(read, texts) if texts else {}
            for (code, texts), read in zip(self._texts.items(), readings)
        }
