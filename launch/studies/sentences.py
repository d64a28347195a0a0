"""Sentences of real signs: the figures of MLSF on two corpora that are composed of takes.

`order` has the signs of ordering in many sessions, of which one is kept for test; `tsl` has 60
signs with one take each. DIR of either has `index.csv` and the `.pose` files that it lists. A
reader of signs and a model are trained on the sentences of train. What is scored are sentences that
train does not have: real ones, the model's after the filter of `produce --smooth`, and a peer's,
which looks each sign up in the takes of train and joins them with the same easing, as
`spoken-to-signed` does.
"""

import dataclasses
import importlib
import json
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from signllm_jax.core.config import Config
from signllm_jax.core.errors import TrainingError
from signllm_jax.corpora.prepare import Settings
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.smooth import smoothed

ORDERING = Path(__file__).with_name("ordering.grammar")
MANY_SESSIONS = {
    "model.decoder": "parallel",
    "model.latent": 32,
    "model.latent_moments": 8,
    "model.head": 256,
    "model.token_durations": True,
    "model.ease": 0.9,
    "loss.latent": 0.0005,
    "loss.speed": 30.0,
}
"""Settings for takes of many people, whose ways and tempo differ; chosen on dev."""
ROWS = ("real", "lookup", "produced", "unsmoothed")


@dataclasses.dataclass(frozen=True)
class Corpus:
    """A corpus of composed sentences.

    Attributes:
        name: In the records.
        settings: Of the prepared source.
        folder: With `index.csv` and the takes.
        grammar: Its text.
        steps: Of the model's training.
        reader_steps: Of the reader's training.
        row_frames: Frames of a packed row.
        config: Name of the file in configs/ of the model.
        changes: What the run has other than that config, by dotted names.
    """

    name: str
    settings: Settings
    folder: Path
    grammar: str
    steps: int = 3000
    reader_steps: int = 600
    row_frames: int = 320
    config: str = "mlsf"
    changes: Mapping[str, object] = dataclasses.field(default_factory=dict)

    @property
    def language(self) -> str:
        """Code of its sign language."""
        return self.settings.language

    @property
    def source(self) -> str:
        """Name of its prepared source."""
        return self.settings.source


def ordering(takes: Path) -> Corpus:
    """The sentences of ordering, from a folder of takes."""
    return Corpus(
        "order",
        Settings("asl", "ordering", "pose"),
        takes,
        ORDERING.read_text("utf-8"),
        steps=9000,
        changes=MANY_SESSIONS,
    )


def turkish(signs: Path, count: int = 60) -> Corpus:
    """Sentences of two to four of the first `count` TSL signs of a folder."""
    from signllm_jax.corpora.manifest import Reading, read_manifest

    entries = read_manifest(signs / "index.csv", Reading(language="tsl")).entries
    chosen = sorted({entry.text for entry in entries})[:count]
    named = " | ".join(f'"{text}"' for text in chosen)
    grammar = (
        f"sentence = sign sign [sign] [sign]\nsign = {named}\n"
        "%signs 2 4\n%train 600\n%dev 40\n%test 120\n"
    )
    return Corpus("tsl", Settings("tsl", "sentences", "pose"), signs, grammar)


def run_corpus(
    corpus: Corpus,
    seed: int,
    work: Path,
    split: str,
    score: Callable[..., dict] | None = None,
    config: Config | None = None,
) -> dict:
    """Prepares a corpus, trains a model and a reader on it, and scores.

    Args:
        corpus: Which.
        seed: Of the reader and the model.
        work: Folder for prepared data and runs.
        split: `test`, or `dev` while settings are chosen.
        score: Trains the reader and scores; by default `evaluate`, and with its arguments.
        config: Of the model's run; by default that of `run_config`.

    Returns:
        The figures of `score`, with `steps` and `cpu_seconds` of training model and reader.

    Raises:
        TrainingError: A signal stopped the training, which has saved.
    """
    prepare(corpus, work)
    folder = work / f"{corpus.name}-{seed}"
    spent = trained(config or run_config(corpus, seed, work), folder)
    figures = (score or evaluate)(corpus, folder, seed, work, split)
    spent += figures["reader_cpu_seconds"]
    return figures | {"steps": corpus.steps, "cpu_seconds": spent}


def trained(config: Config, folder: Path) -> float:
    """Trains a run, or what is left of it; returns the CPU seconds of all of it.

    Raises:
        TrainingError: A signal stopped the training, which has saved.
    """
    from signllm_jax.train.loop import train

    final = train(config, folder)
    if final is None:
        raise TrainingError(f"{folder}: a signal stopped the run; the same command goes on with it")
    return final["cpu_seconds"]


def prepare(corpus: Corpus, work: Path) -> dict:
    """Composes the corpus, or what is missing of it; returns the report of its preparation."""
    from signllm_jax.data.prepare_corpus import prepare_corpus

    work.mkdir(parents=True, exist_ok=True)
    grammar = work / f"{corpus.name}.grammar"
    grammar.write_text(corpus.grammar, "utf-8")
    return prepare_corpus(
        corpus.settings,
        corpus.folder,
        work / "data",
        manifest=corpus.folder / "index.csv",
        grammar=grammar,
    )


def run_config(corpus: Corpus, seed: int, work: Path) -> Config:
    """The config of the model's run."""
    from signllm_jax.core.config import read_config

    get_config = importlib.import_module(f"configs.{corpus.config}").get_config
    config = get_config(f"prompt2sign/{corpus.language}_{corpus.source}")
    config.data.update(data_dir=str(work / "data"), row_frames=corpus.row_frames)
    config.data.update(languages=(corpus.language,))
    config.eval.update(max_frames=corpus.row_frames, report=False, every=corpus.steps)
    config.rl.update(loss="mse", plc=False)
    config.train.update(steps=corpus.steps, seed=seed)
    config.update_from_flattened_dict(corpus.changes)
    return read_config(config.to_dict())


def evaluate(corpus: Corpus, folder: Path, seed: int, work: Path, split: str) -> dict:
    """The figures of a trained run on the sentences of a split.

    Returns:
        `gloss_error`, `lookup_gloss_error`, `real_gloss_error`, `jerk_at_joins_over_lookup`,
        `travel` and what else is known of the rows. What is read of every sentence is written to
        `read.json` of the run, and contact strips of the first ones to its `strips/`.
    """
    from signllm_jax.artifacts.group import write_file
    from signllm_jax.artifacts.workdir import Workdir
    from signllm_jax.eval import referees
    from signllm_jax.eval.eval_set import open_texts
    from signllm_jax.eval.sentence_figures import gloss_error, jerk_at_joins
    from signllm_jax.eval.sign_reader import SIGN_READER, train_sign_reader

    evaluated = open_texts(Workdir(folder), split, str(work / "data"))
    (each,) = evaluated.languages.values()
    evaluated.produce(evaluated)
    config = dataclasses.replace(
        SIGN_READER, seed=seed, steps=corpus.reader_steps, frames=corpus.row_frames
    )
    reader = train_sign_reader(each.train, each.statistics, folder / "signs", config)
    produced = list(each.whole("produced"))
    rows = {
        "real": each.references,
        "lookup": looked_up(corpus, each.glosses, seed, work),
        "produced": [smoothed(clip) for clip in produced],
        "unsmoothed": produced,
    }
    read = {name: reader.read(clips) for name, clips in rows.items()}
    errors = {name: gloss_error(read[name], each.glosses) for name in ROWS}
    jerks = {name: jerk_at_joins(rows[name], read[name]) for name in ROWS}
    # which filters both sides, before travel is taken
    figures = referees.row_figures(each.references, rows["unsmoothed"])
    peer = referees.row_figures(each.references, rows["lookup"])
    save_strips(folder, rows, each.texts)
    said = [
        {"signed": line} | {row: " ".join(read[row][place].glosses) for row in ROWS}
        for place, line in enumerate(each.glosses)
    ]
    write_file(folder / "read.json", f"{json.dumps(said, indent=1)}\n".encode())
    return {
        "gloss_error": errors["produced"],
        "lookup_gloss_error": errors["lookup"],
        "real_gloss_error": errors["real"],
        "jerk_at_joins_over_lookup": jerks["produced"] / jerks["lookup"],
        "travel": figures.get("smooth_travel_ratio", 0.0),  # hands that no clip shows do not move
        "lookup_travel": peer.get("smooth_travel_ratio", 0.0),
        "jerk_at_joins_over_real": jerks["produced"] / jerks["real"],
        "unsmoothed_gloss_error": errors["unsmoothed"],
        "unsmoothed_jerk_at_joins_over_lookup": jerks["unsmoothed"] / jerks["lookup"],
        "duration": figures["duration_ratio"],
        "sentences": len(each.texts),
        "cut_off": float(np.mean(each.cut_off)),
        "reader_cpu_seconds": reader.cpu_seconds,
    }


def looked_up(corpus: Corpus, lines: Sequence[str], seed: int, work: Path) -> list[PoseClip]:
    """A peer's sentences: a take of train for every gloss, joined with the easing of the corpus.

    The takes of a sentence are of one session where it has them all, as a dictionary's are.
    """
    from signllm_jax.corpora.compose import join_signs
    from signllm_jax.corpora.grammar import parse_grammar
    from signllm_jax.corpora.lexicon import train_lexicon
    from signllm_jax.corpora.shards import source_folder

    folder = source_folder(work / "data", corpus.language, corpus.source)
    lexicon = train_lexicon(folder, parse_grammar(corpus.grammar), corpus.language)
    draw = random.Random(f"lookup {seed}")
    clips = []
    for line in lines:
        glosses = line.split()
        sessions = sorted({take.session for gloss in glosses for take in lexicon[gloss]})
        whole = [
            name
            for name in sessions
            if all(any(take.session == name for take in lexicon[gloss]) for gloss in glosses)
        ]
        session = draw.choice(whole or sessions)
        chosen = [
            draw.choice([t for t in lexicon[gloss] if t.session == session] or lexicon[gloss])
            for gloss in glosses
        ]
        clips.append(join_signs([take.clip for take in chosen]))
    return clips


def save_strips(folder: Path, rows: dict[str, list[PoseClip]], texts: Sequence[str]) -> None:
    """Saves contact strips of the first sentences, a file a row, to be looked at."""
    (folder / "strips").mkdir(exist_ok=True)
    for name, clips in rows.items():
        for number, clip in enumerate(clips[:4]):
            if len(clip):
                clip.save(folder / "strips" / f"{number}-{name}.png", text=texts[number])
