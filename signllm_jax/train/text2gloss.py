"""Trains a text stage alone: from text to LangGloss, one model for all languages."""

import jax
import jax.numpy as jnp

from signllm_jax.core.config import TextConfig
from signllm_jax.core.errors import ConfigError
from signllm_jax.core.tasks import SHARED
from signllm_jax.core.typing import Array, LineBatch, TokenScores, Tree
from signllm_jax.corpora import gloss_corpora
from signllm_jax.corpora.digests import listing_digest
from signllm_jax.data.gloss_batches import LineData
from signllm_jax.data.packing import Packing
from signllm_jax.eval.figures import mean_metrics
from signllm_jax.inference.text_to_gloss import Translator
from signllm_jax.metrics.gloss_metrics import score_lines
from signllm_jax.models.apply import apply
from signllm_jax.models.layers.precision import compute_dtype
from signllm_jax.models.losses import divergence, line_losses
from signllm_jax.models.text2gloss import Text2Gloss
from signllm_jax.text import source_tokens as unit_ids
from signllm_jax.text.stage import make_stage
from signllm_jax.train.groups import new_group
from signllm_jax.train.shared import frozen_group
from signllm_jax.train.task import DevSet, Task


def drop_units(units: Array, key: Array, config: TextConfig) -> Array:
    """Makes a share of the units [B, U, 1 + G] unknown, except marks; keeps their n-grams."""
    ids = units[..., 0]
    dropped = jax.random.bernoulli(key, config.unit_drop, ids.shape)
    dropped &= ids >= unit_ids.ANY + config.languages  # marks have the ids below
    return units.at[..., 0].set(jnp.where(dropped, unit_ids.UNKNOWN, ids))


def line_terms(
    model: Text2Gloss,
    params: Tree,
    lines: LineBatch,
    config: TextConfig,
    drop_key: Array,
    dropout_key: Array,
) -> tuple[dict[str, Array], TokenScores]:
    """The loss terms of a text stage on packed lines, and the scores of their tokens.

    With `config.consistency`, each row is read twice with different dropout. The terms are means
    over both passes, and `loss` includes their divergence.

    Args:
        model: Text stage.
        params: Parameters of the text stage.
        lines: Units [B, U, 1 + G] and LangGloss [B, N], with their segments.
        config: Config of the text stage.
        drop_key: Random key of the units made unknown.
        dropout_key: Random key of the model's dropout.

    Returns:
        The terms of `line_losses` (and `divergence`), and scores [B, N, ...] of the first pass.
    """
    given = lines
    if config.consistency:  # both passes of a row side by side, so that they lie on one device
        given = jax.tree.map(lambda values: jnp.repeat(values, 2, axis=0), lines)
    scores = apply(
        model,
        params,
        drop_units(given.units, drop_key, config),
        given.unit_segment,
        given.line,
        given.line_segment,
        training=True,
        rngs={"dropout": dropout_key},
    )
    terms = line_losses(scores, given.line, given.line_segment, config.smoothing)
    if not config.consistency:
        return terms, scores
    first, second = (jax.tree.map(lambda leaf, n=n: leaf[n::2], scores) for n in range(2))
    apart = divergence(first, second, lines.line_segment)
    terms |= {"tokens": terms["tokens"] / 2, "divergence": apart}
    return terms | {"loss": terms["loss"] + config.consistency * apart}, first


class Text2GlossTask(Task):
    """One Text2Gloss for all languages; keeps the best BLEU-4 on dev."""

    lead = "bleu4_gap"
    lead_title = "100 - BLEU-4 (lower is better)"
    unit = "tokens"

    def data_languages(self):
        """See Task."""
        known = gloss_corpora.languages(self.config.data.dataset)
        return known or super().data_languages()

    def init_lane(self, key):
        """See Task."""
        model = Text2Gloss(self.config.model, self.config.text)
        columns = unit_ids.columns(self.config.text)
        units, line = jnp.zeros((1, 2, columns), jnp.int32), jnp.zeros((1, 2), jnp.int32)
        return model.init(key, units, line, line, line)["params"]

    def loss(self, params, batch: LineBatch, key):
        """See Task."""
        config = self.config
        drop_key, dropout_key = jax.random.split(key)
        model = Text2Gloss(config.model, config.text, dtype=compute_dtype(config.model.dtype))
        terms, _ = line_terms(model, params, batch, config.text, drop_key, dropout_key)
        return terms["loss"], terms

    def open_groups(self, languages, workdir):
        """See Task."""
        config, group = self.config, frozen_group(self.config, languages, workdir)
        if group is not None:
            return [group]
        stage = make_stage(config.text, config.model.vocab, *self.material(languages))
        limits = {"max_frames": 0, "row_tokens": config.text.line}
        return [new_group(config, SHARED, text_stage=stage, **limits)]

    def material(self, languages):
        """See Task; the train texts and the lines that the tables are made from."""
        train = self._pairs(languages, "train")
        texts = [pair.text for pairs in train.values() for pair in pairs]
        return texts, {code: [pair.glosses for pair in pairs] for code, pairs in train.items()}

    def train_data(self, languages, groups):
        """See Task."""
        data = self.config.data
        return LineData(
            self._pairs(languages, "train"),
            groups[0].needed_text_stage,
            Packing.of(self.config),
            name=SHARED,
            row_units=data.row_units,
            temperature=data.temperature,
        )

    def data_digests(self, languages):
        """See Task; digests of texts and glosses."""
        return {
            f"{code}/{split}": listing_digest(
                [pair.text for pair in pairs], [list(pair.glosses) for pair in pairs]
            )
            for split in ("train", "dev")
            for code, pairs in self._pairs(languages, split).items()
        }

    def dev_set(self, languages, groups, mesh, workdir=None):
        """See Task."""
        return _DevLines(self._pairs(languages, "dev"), groups[0], mesh, self.config.eval)

    def _pairs(self, languages, split):
        folder = self.config.data.data_dir
        if not folder:
            raise ConfigError(
                "config.data.data_dir is missing: the folder of the corpora with gloss, which are "
                f"{', '.join(gloss_corpora.CORPORA)}"
            )
        return {code: gloss_corpora.read_pairs(folder, code, split) for code in languages}


class _DevLines(DevSet):
    """Pairs of text and gloss of each language's dev split, and the model that translates them."""

    def __init__(self, pairs, group, mesh, config):
        limit = config.clips or None
        self._pairs = {code: listed[:limit] for code, listed in pairs.items() if listed}
        self._translator = Translator(group.model, group.text_stage, mesh, config.batch_size)
        for code, listed in self._pairs.items():
            for pair in listed:  # a text that cannot be read is an error before training starts
                group.text_stage.encode(pair.text, code)

    def score(self, params):
        """See DevSet: the mean over the languages."""
        scores = []
        for code, listed in self._pairs.items():
            texts, codes = [pair.text for pair in listed], [code] * len(listed)
            lines = self._translator(params, texts, codes)
            scores.append(score_lines(lines, [pair.glosses for pair in listed], code))
        if not scores:
            return {SHARED: {}}
        mean = mean_metrics(scores)
        # lines of fewer than four glosses have no BLEU-4: the best chrF is kept instead
        return {SHARED: mean | {"bleu4_gap": 100 - mean.get("bleu4", mean["chrf"])}}
