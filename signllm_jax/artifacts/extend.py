"""Adds languages to a trained model that languages share: its tables grow, all else stays.

Until it is trained on, what the model writes and signs for the old languages is unchanged: a new
gloss row begins as a copy of a row that the model has learned never to write.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from signllm_jax.artifacts.group import Group
from signllm_jax.core.typing import Tree
from signllm_jax.text.langgloss import EOS
from signllm_jax.text.source_tokens import ANY, UNKNOWN, split
from signllm_jax.text.stage import TextStage

NEVER = EOS + 2 + 255
"""The id of byte 255, which never occurs in UTF-8 text and hence in no line."""
NOISE = 0.01
"""Standard deviation of the noise that makes new rows differ, relative to that of the table."""


def extend_stage(
    stage: TextStage, texts: Sequence[str], lines: Mapping[str, Sequence[Sequence[str]]]
) -> TextStage:
    """The stage with more languages behind the old ones, whose ids and marks stay.

    Args:
        stage: Text stage of the trained model.
        texts: Train texts (or prompts) of the new languages, for units that are not known yet.
        lines: Code of every new language -> its train lines of glosses.
    """
    vocabulary = stage.vocabulary.extend(lines, stage.config.min_count)
    units = stage.units
    fresh = sorted({unit for text in texts for unit in split(text, units.kind)} - {*units.known})
    known, languages = (*units.known, *fresh), vocabulary.languages
    marks = max(units.marks, len(languages))
    units = dataclasses.replace(units, languages=languages, marks=marks, known=known)
    config = dataclasses.replace(
        stage.config,
        units=max(stage.config.units, units.size),
        languages=max(stage.config.languages, vocabulary.marks),
    )
    return TextStage(config, max(stage.rows, vocabulary.size), units, vocabulary)


def extend_group(group: Group, stage: TextStage) -> Group:
    """The group with the tables of an extended stage; its step and score begin anew.

    Args:
        group: Group with parameters, of Prompt2LangGloss or of a text stage alone.
        stage: Text stage from `extend_stage`.
    """
    random = np.random.default_rng(0)
    old, params = group.needed_text_stage, dict(group.params)
    joint = "langgloss" in params
    stage_params = dict(params["text_stage"]) if joint else params
    name = "langgloss" if joint else "embed_gloss"
    params[name] = {
        "gloss": _longer(params[name]["gloss"], stage.rows, NEVER, random),
        "language": _longer(params[name]["language"], stage.config.languages, 0, random),
    }
    unit = stage_params["embed_unit"]["unit"]
    first = old.units.size - len(old.units.known)  # marks lie before the units
    more = stage.units.marks - old.units.marks
    unit = np.concatenate([_longer(unit[:first], first + more, ANY, random), unit[first:]])
    unit = _longer(unit, stage.config.units, UNKNOWN, random)
    stage_params["embed_unit"] = dict(stage_params["embed_unit"]) | {"unit": unit}
    if joint:
        params["text_stage"] = stage_params
    model = dataclasses.replace(group.model, vocab=stage.rows)
    config = dataclasses.replace(stage.config, units=len(unit))
    stage = dataclasses.replace(stage, config=config)
    return dataclasses.replace(
        group, model=model, text_stage=stage, params=params, step=0, dev_score=None
    )


def _longer(table: Tree, rows: int, like: int, random: np.random.Generator) -> np.ndarray:
    """The table with rows appended that are copies of row `like`, with a little noise."""
    table = np.asarray(table)
    more = max(rows - len(table), 0)
    noise = NOISE * table.std() * random.standard_normal((more, table.shape[1]))
    return np.concatenate([table, (table[like] + noise).astype(table.dtype)])
