"""Trains both stages of Prompt2LangGloss together, one model for all languages."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from signllm_jax.core.errors import ConfigError
from signllm_jax.core.tasks import SHARED
from signllm_jax.core.typing import Array, Batch, LineBatch, TokenScores
from signllm_jax.corpora.published import is_spelled
from signllm_jax.data.made_up import names_of, words_of
from signllm_jax.data.packing import Packing
from signllm_jax.data.prompt_sampling import PromptData
from signllm_jax.eval.prompt_dev import PromptDev
from signllm_jax.models import prompt2langgloss as model
from signllm_jax.models.layers.precision import compute_dtype
from signllm_jax.models.prompt2langgloss import pose_params, text_params
from signllm_jax.poses.features import collect_statistics
from signllm_jax.rl import plc
from signllm_jax.text.asking import ask, frame_words
from signllm_jax.text.langgloss import EOS
from signllm_jax.text.prompt_templates import SPOKEN
from signllm_jax.text.stage import make_stage
from signllm_jax.train.groups import new_group
from signllm_jax.train.mlsf import MlsfTask
from signllm_jax.train.shared import frozen_group
from signllm_jax.train.text2gloss import line_terms

ASKED = 8
"""Number of prompts per train clip that the units are collected from."""


def predicted_text(
    batch: Batch, lines: LineBatch, scores: TokenScores, key: Array, most: float, rows: np.ndarray
) -> Array:
    """LangGloss for the pose stage, for some clips as the text stage predicts it.

    The text stage predicts each token from the true line before it, so that the predicted line has
    the same length (two-pass scheduled sampling: Mihaylova and Martins, ACL 2019 workshop). The
    share of such clips is `most` times the share of correct tokens, so it rises during training.

    Args:
        batch: Batch of one lane.
        lines: Prompts of the batch.
        scores: Scores of the tokens of their lines.
        key: Random key.
        most: Largest share of clips with predicted LangGloss.
        rows: int [R], indices of the batch rows that have prompts, see `plc.host_rows`.

    Returns:
        int32 [B, S], equal to `batch.text` except for the chosen clips.
    """
    line, segment = lines.line, lines.line_segment
    text, text_segment = batch.text[rows], batch.text_segment[rows]
    mark = 1 + scores.language[..., 1:].argmax(-1)
    written = mark * scores.gloss.shape[-1] + scores.gloss.argmax(-1)
    token = (segment > 0) & (line != EOS)
    right = ((written == line) & token).sum() / jnp.maximum(token.sum(), 1)
    # each line has one more token than its text: EOS
    index = jnp.arange(text.shape[1]) + text_segment - 1
    index = jnp.clip(index, 0, line.shape[1] - 1)
    predicted = jnp.take_along_axis(written, index, axis=1)
    same = jnp.take_along_axis(line, index, axis=1) == text
    clips = len(line), batch.example.shape[-1] + 1
    chosen = jax.random.bernoulli(key, most * right, clips)
    chosen = jnp.take_along_axis(chosen, text_segment, axis=1)
    text = jnp.where(chosen & same & (text_segment > 0), predicted, text)
    return jnp.asarray(batch.text).at[rows].set(text)


class Prompt2LangGlossTask(MlsfTask):
    """Both stages; keeps the best score on dev (`eval/judge.py`) from prompts to poses.

    The pose stage is trained like a language of MLSF, including reinforcement learning. If the text
    stage is trained alone, the parameters with the most correct lines are kept.
    """

    @property
    def lead(self):
        """See Task."""
        return "inexact" if self.config.text.trained == "text" else "score"

    @property
    def lead_title(self):
        """See Task."""
        return {
            "both": "score of the poses, from prompts (lower is better)",
            "pose": "score of the poses, from true LangGloss (lower is better)",
            "text": "share of prompts whose LangGloss is not right (lower is better)",
        }[self.config.text.trained]

    def init_lane(self, key):
        """See Task."""
        text_key, pose_key = jax.random.split(key)
        return model.init_lane(self.config.model, self.config.text, text_key, pose_key)

    @property
    def _model(self):
        return self._stages[1]

    @property
    def _stages(self):
        dtype = compute_dtype(self.config.model.dtype)
        return model.stages(self.config.model, self.config.text, dtype)

    def loss(self, params, batch, key, *learning):
        """See Task: the losses of the text stage, and of the pose stage from LangGloss."""
        config = self.config
        drop_key, dropout_key, predicted_key, pose_key = jax.random.split(key, 4)
        prompts, batch = batch.prompts, batch._replace(prompts=None)
        if config.text.trained != "both" and config.init_from:
            params = params | {"langgloss": jax.lax.stop_gradient(params["langgloss"])}
        if config.text.trained == "pose":
            return super().loss(pose_params(params), batch, pose_key, *learning)
        if prompts is None:
            raise ConfigError("config.rl.resident: a text stage needs prompts, from the host")
        lines, scores = line_terms(
            self._stages[0], text_params(params), prompts, config.text, drop_key, dropout_key
        )
        if config.text.trained == "text":
            frames = (batch.segment > 0).sum().astype(jnp.float32)
            return lines["loss"], lines | {"frames": frames}
        scores = jax.lax.stop_gradient(scores)
        text = predicted_text(
            batch, prompts, scores, predicted_key, config.text.own, plc.host_rows(config)
        )
        poses = batch._replace(text=text)
        loss, terms = super().loss(pose_params(params), poses, pose_key, *learning)
        loss = loss + config.text.weight * lines["loss"]
        return loss, terms | {"loss": loss, "gloss": lines["gloss"], "mark": lines["mark"]}

    def free_running_errors(self, params, clips):
        """See Task."""
        return super().free_running_errors(pose_params(params), clips)

    def open_groups(self, languages, workdir):
        """See Task."""
        config, group = self.config, frozen_group(self.config, languages, workdir)
        if group is not None:
            return [group]
        train = self.open_splits(languages, "train")
        familiar = itertools.chain.from_iterable(map(frame_words, SPOKEN))
        stage = make_stage(config.text, config.model.vocab, *self.material(languages), familiar)
        clips = itertools.chain.from_iterable(
            data.sound_examples(config.data.max_bad) for data in train.values()
        )
        # a limit only for spelled texts: lines of glosses may be longer than those of train
        lengths = [len(units) for data in train.values() for units in data.units]
        spelled = is_spelled(config.data.dataset)
        return [
            new_group(
                config,
                SHARED,
                statistics=collect_statistics(clips, config.data.layout),
                trained_tokens=(min(lengths), max(lengths)) if spelled else None,
                text_stage=stage,
            )
        ]

    def material(self, languages):
        """See Task; the train prompts and the lines that the tables are made from."""
        train = self.open_splits(languages, "train")
        random = np.random.default_rng(self.config.train.seed)
        asked = [
            ask(text, code, random)[0]
            for code, data in train.items()
            for text in data.texts
            for _ in range(ASKED)
        ]
        return asked, {code: data.units for code, data in train.items()}

    def train_data(self, languages, groups):
        """See Task."""
        config, data = self.config, self.config.data
        sources = list(self.open_splits(languages, "train").values())
        of_source = words_of if is_spelled(data.dataset) else names_of
        made_up = [of_source(source) for source in sources] if config.text.invented else []
        return PromptData(
            sources,
            groups[0].needed_text_stage,
            groups[0].needed_statistics,
            Packing.of(config),
            row_units=data.row_units,
            temperature=data.temperature,
            made_up=[words for words in made_up if words.words],
            asks=config.text.trained != "pose",
            cache_mb=data.cache_mb,
            max_bad=data.max_bad,
            group=config.compared,
        )

    def dev_set(self, languages, groups, mesh, workdir=None):
        """See Task."""
        train, dev = (self.open_splits(languages, split) for split in ("train", "dev"))
        return PromptDev(dev, train, groups[0], mesh, self.config)
