"""Training back-translation: frames in, text out, one reader a language, on real clips only."""

from collections.abc import Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from signllm_jax.artifacts.group import Group
from signllm_jax.core.config import Config
from signllm_jax.core.skeleton import get_layout
from signllm_jax.core.typing import Array, Tree
from signllm_jax.data import batches, splits
from signllm_jax.inference.pose_to_text import BackTranslator
from signllm_jax.metrics.text_metrics import error_rates
from signllm_jax.models.apply import apply
from signllm_jax.models.layers.precision import compute_dtype
from signllm_jax.models.losses import reading_losses
from signllm_jax.models.pose2text import Pose2Text, with_ends
from signllm_jax.poses.clip import PoseClip
from signllm_jax.text.glosses import encode_glosses
from signllm_jax.text.tokenizer import normalize_text
from signllm_jax.train import groups
from signllm_jax.train.augment import distort
from signllm_jax.train.task import Task


class BackTranslationTask(Task):
    """One Pose2Text a language, kept at its best free-running character error rate on dev."""

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
        """See Task; tokens are predicted teacher-forced from distorted frames."""
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

    def open_groups(self, languages, workdir):
        """See Task."""
        return groups.open_groups(self.config, languages, workdir, self.config.reading.gloss_vocab)

    def train_data(self, languages, groups):
        """See Task; there is gloss where the reader has a head for it."""
        config = self.config
        name, folder = config.data.dataset, config.data.data_dir or None
        sources = [splits.open_split(name, code, "train", folder) for code in languages]
        glosses = [encode_glosses(s.units, g.glosses) for s, g in zip(sources, groups)]
        return batches.TrainData.of(
            config,
            sources,
            groups,
            glosses=glosses if config.reading.gloss_vocab else None,
            row_glosses=config.reading.row_glosses,
        )

    def dev_set(self, languages, groups, mesh, workdir=None):
        """See Task."""
        return ReadingDevSet(self.config, languages, groups, mesh)


def _history(target: Array, segment: Array, key: Array, hidden: float) -> Array:
    """The token before each in its text [B, S], a share of them hidden; 0 at a text's start."""
    before = jnp.pad(target, ((0, 0), (1, 0)))[:, :-1]
    follows = segment == jnp.pad(segment, ((0, 0), (1, 0)))[:, :-1]
    return before * (follows & jax.random.bernoulli(key, 1 - hidden, target.shape))


class ReadingDevSet:
    """The dev clips of all languages and the compiled reader of them.

    Raises DataError when they cannot be read.
    """

    def __init__(self, config: Config, languages: Sequence[str], groups: Sequence[Group], mesh):
        self._languages, limit = languages, config.eval.clips
        self._texts: list[list[str]] = []
        self._clips: list[list[PoseClip]] = []
        for code in languages:
            data = splits.open_split(config.data.dataset, code, "dev", config.data.data_dir or None)
            texts = [normalize_text(text, code) for text in data.texts]
            chosen = [i for i, text in enumerate(texts) if text][: limit or None]
            self._texts.append([texts[i] for i in chosen])
            self._clips.append([data.clip(i) for i in chosen])
        self._reader = BackTranslator(config, groups, mesh, config.eval.batch_size)

    def score(self, params: Tree) -> dict[str, dict[str, float]]:
        """`cer`, `wer` and `exact_match` of each language; none for one without dev clips.

        Args:
            params: stacked parameters on the mesh.
        """
        found = self._reader(params, self._clips)
        return {
            code: error_rates(read, texts) if texts else {}
            for code, read, texts in zip(self._languages, found, self._texts)
        }

    def pictures(self) -> Iterator[tuple[str, np.ndarray]]:
        """None: what is read is text."""
        return iter(())

    clips = pictures
