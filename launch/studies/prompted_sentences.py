"""Questions to LangGloss to poses, on sentences that have spelled names: one seed's figures.

Prompt2LangGloss is trained on sentences of ordering in which people say their names. Asked are the
sentences of a split, whose combinations and spelled words train does not have, by the prompts of
templates that nothing was trained on. A reader of signs and letters says what the clips show.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import jax
import numpy as np

from launch.studies.sentences import (
    Corpus,
    prepare,
    run_config,
    run_corpus,
    save_strips,
    trained,
)
from signllm_jax.core.config import Config
from signllm_jax.corpora.prepare import Settings
from signllm_jax.poses.smooth import smoothed
from signllm_jax.text.langgloss import FINGERSPELLED, split_marks

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

    The stages are trained one after the other. To copy a name letter by letter takes the text stage
    more prompts than the pose stage takes clips, and where both learn together the poses learn from
    names that are spelled wrong, so they learn no letters.

    Returns:
        See `run_corpus`; `cpu_seconds` are of both stages and the reader, and `text_steps` and
        `text_cpu_seconds` of the text stage.
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
        start: Run whose other stage is kept as it is.
    """
    config = run_config(corpus, seed, work)
    steps, rows = (TEXT_STEPS, TEXT_ROWS) if stage == "text" else (corpus.steps, POSE_ROWS)
    return dataclasses.replace(
        config,
        init_from=str(start or ""),
        text=dataclasses.replace(config.text, trained=stage),
        train=dataclasses.replace(config.train, steps=steps, batch_size=rows),
        eval=dataclasses.replace(config.eval, every=steps),
    )


def evaluate(corpus: Corpus, folder: Path, seed: int, work: Path, split: str) -> dict:
    """The figures of a trained run on the sentences of a split.

    Returns:
        `gloss_exact` and `names_right` are shares of prompts in all spoken languages, read as
        `produce` reads them, `unaided_exact` and `unaided_names_right` by the text stage alone.
        `gloss_error` is a reader's of clips from prompts in English, `true_gloss_error` from the
        true LangGloss, `real_gloss_error` of real signs; `name_error`, `true_name_error` and
        `real_name_error` are those of the letters alone. Contact strips are saved in `strips/` of
        the run.
    """
    from signllm_jax.artifacts.workdir import Workdir
    from signllm_jax.eval import prompt_report
    from signllm_jax.eval.prompt_dev import sign_glosses, true_line
    from signllm_jax.eval.sentence_figures import gloss_error
    from signllm_jax.eval.sign_reader import SIGN_READER, train_sign_reader
    from signllm_jax.text.prompts import SPOKEN

    evaluated = prompt_report.open_prompts(Workdir(folder), split, str(work / "data"))
    ((code, asked),) = evaluated.languages.items()
    true = [true_line(asked, code, place) for place in range(len(asked.texts))]
    model, group, params = open_model(evaluated)
    templates = "test" if split == "test" else "dev"
    understood = understand(model, group, params, asked.corpus_texts, code, templates)
    english = understood["aided"][SPOKEN.index("en")]
    made = {
        name: [smoothed(clip) for clip, _ in sign_glosses(model, params, lines, asked)]
        for name, lines in (("prompts", english), ("true", true))
    }
    config = dataclasses.replace(
        SIGN_READER, seed=seed, steps=corpus.reader_steps, frames=corpus.row_frames
    )
    reader = train_sign_reader(asked.train, asked.statistics, folder / "signs", config)
    rows = {"real": asked.references, **made}
    read = {name: reader.read(clips) for name, clips in rows.items()}
    errors = {name: gloss_error(read[name], asked.glosses) for name in rows}
    letters = [" ".join(spelled(line.split())) for line in asked.glosses]
    named = [place for place, line in enumerate(letters) if line]
    name_errors = {
        name: letter_error([spelled(signs.glosses) for signs in read[name]], letters, named)
        for name in rows
    }
    save_strips(folder, rows, asked.texts)
    return shares(understood, true) | {
        "gloss_error": errors["prompts"],
        "true_gloss_error": errors["true"],
        "real_gloss_error": errors["real"],
        "name_error": name_errors["prompts"],
        "true_name_error": name_errors["true"],
        "real_name_error": name_errors["real"],
        "sentences": len(asked.texts),
        "named_sentences": len(named),
        "reader_cpu_seconds": reader.cpu_seconds,
    }


def open_model(evaluated):
    """Both stages of the one group of `prompt_report.open_prompts`, the group, and parameters."""
    from signllm_jax.inference.prompt_to_pose import PromptToPose
    from signllm_jax.parallel import sharding

    (group,) = evaluated.groups.values()
    mesh = sharding.make_mesh({}, jax.local_devices()[:1])
    model = PromptToPose(group, mesh, evaluated.config.eval.batch_size)
    return model, group, jax.device_put(jax.tree.map(lambda leaf: leaf[None], group.params))


def understand(
    model, group, params, said: Sequence[str], code: str, templates: str
) -> dict[str, list[list[str]]]:
    """LangGloss of every text in all spoken languages: as `produce` reads it, and unaided.

    Args:
        model, group, params: Of `open_model`.
        said: What is asked for.
        code: Of the sign language.
        templates: Split of the templates that ask.

    Returns:
        `aided` and `unaided`: for each spoken language a line for each text.
    """
    from signllm_jax.eval.prompt_dev import ask_model, prompts_for
    from signllm_jax.text.prompts import SPOKEN

    found: dict[str, list[list[str]]] = {"aided": [], "unaided": []}
    for spoken in SPOKEN:
        prompts, callers = prompts_for(said, code, [spoken] * len(said), templates)
        found["aided"].append(ask_model(model, group, params, prompts, callers, templates))
        written = model.unaided(params, prompts, callers)
        found["unaided"].append([" ".join(line) for line in written])
    return found


def shares(understood: Mapping[str, list[list[str]]], true: Sequence[str]) -> dict[str, float]:
    """Shares of lines that are right, and of those with a name whose letters are right.

    Args:
        understood: Of `understand`.
        true: LangGloss of each text.
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


def letter_error(read: Sequence[list[str]], lines: Sequence[str], places: Sequence[int]) -> float:
    """The error rate of spelled letters, of the texts that have some."""
    from signllm_jax.metrics.text_metrics import wer

    return wer([" ".join(read[place]) for place in places], [lines[place] for place in places])
