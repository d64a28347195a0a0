"""From questions to LangGloss to poses, on sentences with spelled names: the figures of one seed.

Prompt2LangGloss is trained on sentences of ordering in which people say their names. The prompts
ask for the sentences of a split, whose combinations and spelled words train does not have, by
templates that nothing was trained on. A reader of signs and letters reads the clips.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import jax
import numpy as np

from launch.studies.sentences import Corpus, prepare, read_rows, run_config, run_corpus, trained
from launch.studies.settings import changed
from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.config import Config
from signllm_jax.corpora.prepare import Settings
from signllm_jax.eval import prompt_report
from signllm_jax.eval.prompt_dev import ask_model, prompts_for, sign_glosses, true_line
from signllm_jax.inference.prompt_to_pose import PromptToPose
from signllm_jax.metrics.text_metrics import wer
from signllm_jax.parallel import sharding
from signllm_jax.poses.smooth import smoothed
from signllm_jax.text.langgloss import FINGERSPELLED, split_marks
from signllm_jax.text.prompts import SPOKEN

TEXT_STEPS, TEXT_ROWS = 3000, 8
"""Number of training steps of the text stage, and of packed rows in one of its batches."""
POSE_ROWS = 3
"""Number of packed rows in a batch of the pose stage."""
CHANGES = {
    "model.latent": 16,
    "model.token_durations": True,
    "loss.latent": 0.0005,
    "loss.noise": 0.15,
    "loss.history_drop": 0.1,
}
"""Settings of the pose stage; chosen on dev, where a parallel decoder left most letters wrong."""
GRAMMAR = Path(__file__).with_name("ordering_names.grammar")


def ordering_names(takes: Path) -> Corpus:
    """The sentences of ordering with names, from a folder of takes; settings chosen on dev."""
    return Corpus(
        "names",
        Settings("asl", "names", "pose"),
        takes,
        GRAMMAR.read_text("utf-8"),
        steps=9000,
        reader_steps=1000,
        config="prompt2langgloss",
        changes=CHANGES,
    )


def run(corpus: Corpus, seed: int, work: Path, split: str) -> dict:
    """Prepares the corpus, trains the text stage, the pose stage and a reader, and scores.

    The stages are trained one after the other. The text stage needs more prompts to learn to copy a
    name letter by letter than the pose stage needs clips. Where both learn together, the pose stage
    learns from names that are spelled wrong, so it learns no letters.

    Returns:
        The figures of `run_corpus`. `cpu_seconds` counts both stages and the reader; `text_steps`
        and `text_cpu_seconds` are those of the text stage.
    """
    prepare(corpus, work)
    text = work / f"{corpus.name}-text-{seed}"
    spent = trained(stage_config(corpus, seed, work, "text"), text)
    config = stage_config(corpus, seed, work, "pose", text)
    figures = run_corpus(corpus, seed, work, split, evaluate, config)
    return figures | {
        "cpu_seconds": figures["cpu_seconds"] + spent,
        "text_cpu_seconds": spent,
        "text_steps": TEXT_STEPS,
    }


def stage_config(
    corpus: Corpus, seed: int, work: Path, stage: str, start: Path | None = None
) -> Config:
    """The config of one stage's run.

    Args:
        corpus, seed, work: See `run_corpus`.
        stage: `text` or `pose`.
        start: Run from which the other stage is kept unchanged.
    """
    config = run_config(corpus, seed, work)
    steps, rows = (TEXT_STEPS, TEXT_ROWS) if stage == "text" else (corpus.steps, POSE_ROWS)
    config = dataclasses.replace(config, init_from=str(start or ""))
    train = {"steps": steps, "batch_size": rows}
    return changed(config, text={"trained": stage}, train=train, eval={"every": steps})


def evaluate(corpus: Corpus, folder: Path, seed: int, work: Path, split: str) -> dict:
    """The figures of a trained run on the sentences of a split.

    Returns:
        `gloss_exact` and `names_right` are the shares of prompts, in all spoken languages, that are
        understood right as `produce` reads them; `unaided_exact` and `unaided_names_right` are
        those of the text stage alone. `gloss_error` is the reader's error on clips from prompts in
        English, `true_gloss_error` on clips from the true LangGloss, `real_gloss_error` on real
        signs. `name_error`, `true_name_error` and `real_name_error` count the letters alone.
        Contact strips are saved in `strips/` of the run.
    """
    evaluated = prompt_report.open_prompts(Workdir(folder), split, str(work / "data"))
    ((code, asked),) = evaluated.languages.items()
    true = [true_line(asked, code, index) for index in range(len(asked.texts))]
    (group,) = evaluated.groups.values()
    mesh = sharding.make_mesh({}, jax.local_devices()[:1])
    model = PromptToPose(group, mesh, evaluated.config.eval.batch_size)
    params = jax.device_put(jax.tree.map(lambda leaf: leaf[None], group.params))
    templates = "test" if split == "test" else "dev"
    understood = understand(model, group, params, asked.corpus_texts, code, templates)
    english = understood["aided"][SPOKEN.index("en")]
    made = {
        name: [smoothed(clip) for clip, _ in sign_glosses(model, params, lines, asked)]
        for name, lines in (("prompts", english), ("true", true))
    }
    rows = {"real": asked.references, **made}
    reader, read, errors = read_rows(corpus, asked, rows, seed, folder)
    letters = [" ".join(spelled(line.split())) for line in asked.glosses]
    named = [index for index, line in enumerate(letters) if line]
    figures = shares(understood, true)
    for name, prefix in (("prompts", ""), ("true", "true_"), ("real", "real_")):
        spelling = [spelled(signs.glosses) for signs in read[name]]
        figures[f"{prefix}gloss_error"] = errors[name]
        figures[f"{prefix}name_error"] = letter_error(spelling, letters, named)
    return figures | {
        "sentences": len(asked.texts),
        "named_sentences": len(named),
        "reader_cpu_seconds": reader.cpu_seconds,
    }


def understand(
    model, group, params, texts: Sequence[str], code: str, templates: str
) -> dict[str, list[list[str]]]:
    """LangGloss of every text in all spoken languages: as `produce` reads it, and unaided.

    Args:
        model: Both stages of the model.
        group: Group of the model.
        params: Parameters of the group, stacked [1, ...].
        texts: Texts that the prompts ask for.
        code: Code of the sign language.
        templates: Split of the prompt templates.

    Returns:
        `aided` and `unaided`: for each spoken language a line for each text.
    """
    lines: dict[str, list[list[str]]] = {"aided": [], "unaided": []}
    for spoken in SPOKEN:
        prompts, callers = prompts_for(texts, code, [spoken] * len(texts), templates)
        lines["aided"].append(ask_model(model, group, params, prompts, callers, templates))
        written = model.unaided(params, prompts, callers)
        lines["unaided"].append([" ".join(line) for line in written])
    return lines


def shares(understood: Mapping[str, list[list[str]]], true: Sequence[str]) -> dict[str, float]:
    """The share of lines that are right, and of lines with a name those whose letters are right.

    Args:
        understood: Lines of `understand`.
        true: True LangGloss of each text.
    """
    figures = {}
    for way, prefix in (("aided", ""), ("unaided", "unaided_")):
        pairs = [pair for lines in understood[way] for pair in zip(lines, true, strict=True)]
        exact = [line == right for line, right in pairs]
        names = [(letters_of(line), letters_of(right)) for line, right in pairs]
        figures[f"{prefix or 'gloss_'}exact"] = float(np.mean(exact))
        figures[f"{prefix}names_right"] = float(np.mean([a == b for a, b in names if b]))
    return figures


def letters_of(line: str) -> list[str]:
    """The spelled letters of a line of LangGloss."""
    return spelled([gloss for _, gloss in split_marks(line)])


def spelled(glosses: Sequence[str]) -> list[str]:
    """The glosses that are spelled letters."""
    return [gloss for gloss in glosses if gloss.startswith(FINGERSPELLED)]


def letter_error(read: Sequence[list[str]], lines: Sequence[str], named: Sequence[int]) -> float:
    """The error rate of the spelled letters in the texts with a name, whose indices are `named`."""
    return wer([" ".join(read[index]) for index in named], [lines[index] for index in named])
