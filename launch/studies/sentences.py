"""Sentences of real signs: the figures of MLSF on two corpora that are composed of takes.

`order` has the signs of ordering in many sessions, of which one is kept for test; `tsl` has 60
signs with one take each. The folder of either has `index.csv` and the `.pose` files that it lists.
A sign reader and a model are trained on the sentences of train. The scored sentences are not in
train: real ones, the model's after the filter of `produce --smooth`, and those of a peer, which
looks each sign up in the takes of train and joins them with the same easing, as
`spoken-to-signed` does.
"""

import dataclasses
import importlib
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from launch.studies.records import write_json
from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.config import Config, read_config
from signllm_jax.core.errors import TrainingError
from signllm_jax.corpora.compose import join_signs
from signllm_jax.corpora.grammar import parse_grammar
from signllm_jax.corpora.lexicon import train_lexicon
from signllm_jax.corpora.manifest import Reading, read_manifest
from signllm_jax.corpora.prepare import Settings
from signllm_jax.corpora.shards import source_folder
from signllm_jax.data.prepare_corpus import prepare_corpus
from signllm_jax.eval import referees
from signllm_jax.eval.eval_set import Language, open_texts
from signllm_jax.eval.sentence_figures import gloss_error, jerk_at_joins
from signllm_jax.eval.sign_reader import SIGN_READER, SignReader, Signs, train_sign_reader
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.smooth import smoothed
from signllm_jax.train.loop import train

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
"""Settings for takes of many people, whose style and tempo differ; chosen on dev."""
ROWS = ("real", "lookup", "produced", "unsmoothed")


@dataclasses.dataclass(frozen=True)
class Corpus:
    """A corpus of composed sentences.

    Attributes:
        name: Name of the corpus in the records.
        settings: Settings of the prepared source.
        folder: Folder with `index.csv` and the takes.
        grammar: Text of the grammar.
        steps: Number of training steps of the model.
        reader_steps: Number of training steps of the reader.
        row_frames: Number of frames in a packed row.
        config: Name of the model's file in configs/.
        changes: Settings that differ from that config, by dotted names.
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
        corpus: Corpus to train on.
        seed: Seed of the reader and the model.
        work: Folder for prepared data and runs.
        split: `test`, or `dev` while settings are chosen.
        score: Function that trains the reader and scores; by default `evaluate`, whose arguments it
            takes.
        config: Config of the model's run; by default that of `run_config`.

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
    """Trains a run, or the rest of it; returns the CPU seconds of the whole run.

    Raises:
        TrainingError: A signal stopped the training, which has saved.
    """
    final = train(config, folder)
    if final is None:
        raise TrainingError(f"{folder}: a signal stopped the run; the same command goes on with it")
    return final["cpu_seconds"]


def prepare(corpus: Corpus, work: Path) -> dict:
    """Composes the missing parts of the corpus; returns the report of its preparation."""
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
    get_config = importlib.import_module(f"configs.{corpus.config}").get_config
    language = corpus.settings.language
    config = get_config(f"prompt2sign/{language}_{corpus.settings.source}")
    config.data.update(data_dir=str(work / "data"), row_frames=corpus.row_frames)
    config.data.update(languages=(language,))
    config.eval.update(max_frames=corpus.row_frames, report=False, every=corpus.steps)
    config.rl.update(loss="mse", plc=False)
    config.train.update(steps=corpus.steps, seed=seed)
    config.update_from_flattened_dict(corpus.changes)
    return read_config(config.to_dict())


def evaluate(corpus: Corpus, folder: Path, seed: int, work: Path, split: str) -> dict:
    """The figures of a trained run on the sentences of a split.

    Returns:
        `gloss_error`, `lookup_gloss_error`, `real_gloss_error`, `jerk_at_joins_over_lookup`,
        `travel` and further figures of the rows. The glosses that are read from each sentence are
        written to `read.json` of the run, and contact strips of the first sentences to `strips/`.
    """
    evaluated = open_texts(Workdir(folder), split, str(work / "data"))
    (language,) = evaluated.languages.values()
    evaluated.produce(evaluated)
    produced = list(language.whole("produced"))
    rows = {
        "real": language.references,
        "lookup": looked_up(corpus, language.glosses, seed, work),
        "produced": [smoothed(clip) for clip in produced],
        "unsmoothed": produced,
    }
    reader, read, errors = read_rows(corpus, language, rows, seed, folder)
    jerks = {name: jerk_at_joins(rows[name], read[name]) for name in ROWS}
    # these smooth both sides before they measure travel
    figures = referees.row_figures(language.references, rows["unsmoothed"])
    peer = referees.row_figures(language.references, rows["lookup"])
    lines = [
        {"signed": line} | {row: " ".join(read[row][index].glosses) for row in ROWS}
        for index, line in enumerate(language.glosses)
    ]
    write_json(folder / "read.json", lines)
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
        "sentences": len(language.texts),
        "cut_off": float(np.mean(language.cut_off)),
        "reader_cpu_seconds": reader.cpu_seconds,
    }


def read_rows(
    corpus: Corpus,
    language: Language,
    rows: Mapping[str, Sequence[PoseClip]],
    seed: int,
    folder: Path,
) -> tuple[SignReader, dict[str, list[Signs]], dict[str, float]]:
    """Trains a sign reader and reads rows of clips; saves contact strips of the first sentences.

    Args:
        corpus: Corpus of the sentences.
        language: Sentences of the split that is read.
        rows: Name -> a clip of each sentence.
        seed: Seed of the reader.
        folder: Work directory of the model's run.

    Returns:
        The reader, the signs that it reads in each row, and each row's gloss error.
    """
    config = dataclasses.replace(
        SIGN_READER, seed=seed, steps=corpus.reader_steps, frames=corpus.row_frames
    )
    reader = train_sign_reader(language.train, language.statistics, folder / "signs", config)
    read = {name: reader.read(clips) for name, clips in rows.items()}
    (folder / "strips").mkdir(exist_ok=True)
    for name, clips in rows.items():
        for number, (clip, text) in enumerate(zip(clips[:4], language.texts)):
            if len(clip):
                clip.save(folder / "strips" / f"{number}-{name}.png", text=text)
    return reader, read, {name: gloss_error(read[name], language.glosses) for name in rows}


def looked_up(corpus: Corpus, lines: Sequence[str], seed: int, work: Path) -> list[PoseClip]:
    """A peer's sentences: a take of train for every gloss, joined with the easing of the corpus.

    The takes of a sentence come from one session, as in a dictionary, if a session has them all.
    """
    language, source = corpus.settings.language, corpus.settings.source
    folder = source_folder(work / "data", language, source)
    lexicon = train_lexicon(folder, parse_grammar(corpus.grammar), language)
    draw = random.Random(f"lookup {seed}")
    clips = []
    for line in lines:
        glosses = line.split()
        of_gloss = [{take.session for take in lexicon[gloss]} for gloss in glosses]
        sessions = set.intersection(*of_gloss) or set.union(*of_gloss)
        session = draw.choice(sorted(sessions))
        chosen = [
            draw.choice([t for t in lexicon[gloss] if t.session == session] or lexicon[gloss])
            for gloss in glosses
        ]
        clips.append(join_signs([take.clip for take in chosen]))
    return clips
