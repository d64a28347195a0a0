"""Training Prompt2LangGloss: both stages together, one model for all languages."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from signllm_jax.artifacts.group import Group
from signllm_jax.core.errors import ConfigError
from signllm_jax.core.tasks import SHARED
from signllm_jax.core.typing import Array, Batch, LineBatch, TokenScores
from signllm_jax.corpora.published import is_spelled
from signllm_jax.data import splits
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
from signllm_jax.train.mlsf import MlsfTask
from signllm_jax.train.shared import frozen_group
from signllm_jax.train.text2gloss import line_terms

ASKED = 8
"""Prompts of every train clip from which the units are collected."""


def own_text(
    batch: Batch, lines: LineBatch, scores: TokenScores, key: Array, most: float, rows: np.ndarray
) -> Array:
    """LangGloss for the pose stage, of some clips as the text stage writes it.

    What it writes next, given the true line so far, stands in for a line of its own, so that both
    have the same length (two-pass scheduled sampling: Mihaylova and Martins, ACL 2019 workshop).
    The share of such clips is `most` times the share of tokens that are right: it rises by itself.

    Args:
        batch: of one lane.
        lines: its prompts.
        scores: of the tokens of their lines.
        key: random key.
        most: largest share.
        rows: int [R], the rows of the batch that have the R rows of prompts, see `plc.host_rows`.

    Returns:
        int32 [B, S] like `batch.text`, which it is but for the chosen clips.
    """
    line, segment = lines.line, lines.line_segment
    text, text_segment = batch.text[rows], batch.text_segment[rows]
    mark = 1 + scores.language[..., 1:].argmax(-1)
    written = mark * scores.gloss.shape[-1] + scores.gloss.argmax(-1)
    token = (segment > 0) & (line != EOS)
    right = ((written == line) & token).sum() / jnp.maximum(token.sum(), 1)
    # a line has one token more than its text, the end, and so have those before it
    place = jnp.arange(text.shape[1]) + text_segment - 1
    place = jnp.clip(place, 0, line.shape[1] - 1)
    own = jnp.take_along_axis(written, place, axis=1)
    same = jnp.take_along_axis(line, place, axis=1) == text
    clips = len(line), batch.example.shape[-1] + 1
    chosen = jax.random.bernoulli(key, most * right, clips)
    chosen = jnp.take_along_axis(chosen, text_segment, axis=1)
    text = jnp.where(chosen & same & (text_segment > 0), own, text)
    return jnp.asarray(batch.text).at[rows].set(text)


class Prompt2LangGlossTask(MlsfTask):
    """Both stages, kept at their best score on dev (`eval/judge.py`) from prompt to poses.

    The pose stage is trained as a language of MLSF is, reinforcement learning included. A stage
    that is trained alone is kept at its own best: the text stage where most lines are right.
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
        """See Task: the text stage's loss, and the pose stage's from true and own LangGloss."""
        config = self.config
        drop_key, dropout_key, own_key, pose_key = jax.random.split(key, 4)
        prompts = batch.prompts
        if config.text.trained != "both" and config.init_from:
            params = params | {"langgloss": jax.lax.stop_gradient(params["langgloss"])}
        if config.text.trained == "pose":
            return super().loss(
                pose_params(params), batch._replace(prompts=None), pose_key, *learning
            )
        if prompts is None:
            raise ConfigError("config.rl.resident: a text stage needs prompts, from the host")
        stage, own = self._stages[0], text_params(params)
        lines, scores = line_terms(stage, own, prompts, config.text, drop_key, dropout_key)
        if config.text.trained == "text":
            frames = (batch.segment > 0).sum().astype(jnp.float32)
            return lines["loss"], lines | {"frames": frames}
        scores = jax.lax.stop_gradient(scores)
        text = own_text(batch, prompts, scores, own_key, config.text.own, plc.host_rows(config))
        poses = batch._replace(text=text, prompts=None)
        loss, terms = super().loss(pose_params(params), poses, pose_key, *learning)
        loss = loss + config.text.weight * lines["loss"]
        return loss, terms | {"loss": loss, "gloss": lines["gloss"], "mark": lines["mark"]}

    def free_running_errors(self, params, clips):
        """See Task."""
        return super().free_running_errors(pose_params(params), clips)

    def open_groups(self, languages, workdir):
        """See Task."""
        held = frozen_group(self.config, languages, workdir)
        if held is not None:
            return [held]
        config, train = self.config, self._open(languages, "train")
        familiar = itertools.chain.from_iterable(map(frame_words, SPOKEN))
        stage = make_stage(config.text, config.model.vocab, *self.material(languages), familiar)
        clips = itertools.chain.from_iterable(
            data.sound_examples(config.data.max_bad) for data in train.values()
        )
        # only where texts are spelled: a line of glosses may well be longer than those of train
        lengths = [len(units) for data in train.values() for units in data.units]
        spelled = is_spelled(config.data.dataset)
        return [
            Group(
                language=SHARED,
                model=config.model,
                tokenizer=None,
                statistics=collect_statistics(clips, config.data.layout),
                dataset=config.data.dataset,
                max_frames=config.eval.max_frames,
                row_tokens=config.data.row_tokens,
                trained_tokens=(min(lengths), max(lengths)) if spelled else None,
                text_stage=stage,
            )
        ]

    def material(self, languages):
        """Train prompts, and the lines of every language, that the tables are made from."""
        train = self._open(languages, "train")
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
        sources = list(self._open(languages, "train").values())
        of_source = words_of if is_spelled(data.dataset) else names_of
        made_up = [of_source(source) for source in sources] if config.text.invented else []
        return PromptData(
            sources,
            groups[0].needed_text_stage,
            groups[0].needed_statistics,
            Packing.of(config),
            row_units=data.row_units,
            temperature=data.temperature,
            made_up=[each for each in made_up if each.words],
            asks=config.text.trained != "pose",
            cache_mb=data.cache_mb,
            max_bad=data.max_bad,
            group=config.compared,
        )

    def dev_set(self, languages, groups, mesh, workdir=None):
        """See Task."""
        sources = {s: self._open(languages, s) for s in ("train", "dev")}
        return PromptDev(sources["dev"], sources["train"], groups[0], mesh, self.config)

    def _open(self, languages, split):
        name, folder = self.config.data.dataset, self.config.data.data_dir or None
        return {code: splits.open_split(name, code, split, folder) for code in languages}
