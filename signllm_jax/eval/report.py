"""The report of a run: its productions of a split, held against reference rows.

Productions are free-running: only texts reach the model. `report.json` is for machines,
`report.md` for people; pictures lie beside them and sample clips in the run's `samples/`.
"""

import dataclasses
import functools
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tqdm

from signllm_jax.errors import OutputError
from signllm_jax.eval import figures, plots, provenance, report_text, rows
from signllm_jax.eval.back_translate import (
    Reader,
    ReaderConfig,
    load_reader,
    save_reader,
    train_reader,
)
from signllm_jax.eval.evaluated import Language, fill_rows, open_languages
from signllm_jax.eval.export import export
from signllm_jax.eval.predictions import match, read_predictions
from signllm_jax.eval.text_metrics import cer
from signllm_jax.group import digest, write_file
from signllm_jax.output import save_clip
from signllm_jax.text.tokenizer import normalize_text
from signllm_jax.workdir import Workdir

READER = ReaderConfig()
"""How readers are trained, but for their seed."""
MEMORISED = 0.02
"""A reader is called memorised when it reads real clips of the split this much worse than those of
train (CER)."""


def evaluate(
    workdir: str | os.PathLike,
    split: str = "test",
    output: str | os.PathLike | None = None,
    *,
    reader_seeds: Sequence[int] = (0,),
    seed: int = 0,
    data_dir: str | None = None,
    samples: int | None = None,
    reader_config: ReaderConfig = READER,
    predictions: str | os.PathLike | None = None,
    export_to: str | os.PathLike | None = None,
) -> dict:
    """Produces a split's texts with a run's best parameters and writes its report.

    Args:
        workdir: of the run.
        split: `train`, `dev` or `test`.
        output: report.json; by default in the workdir, for another split than test
            `report-<split>.json`. `<name>.md` and a folder of pictures `<name>/` lie beside it.
        reader_seeds: of the back-translation readers; trained when they are not in `reader/`.
        seed: of the permutation of other clips and of the bootstrap.
        data_dir: of the prepared data; by default the run's.
        samples: clips of a language rendered to `samples/`; by default the config's.
        reader_config: sizes of the readers; its seed is replaced.
        predictions: another system's clips (`eval.predictions`), scored in the place of the run's
            own; the report is then `report-<their name>.json`, and sample clips lie beside it.
        export_to: a folder that productions and references are written to (`eval.export`).

    Returns:
        What is written to report.json.

    Raises:
        CheckpointError: there is no run, or it has no parameters yet.
        DataError: the split has no clip that can be scored, or no prediction can.
        OutputError: the report or the export cannot be written.
    """
    began = provenance.spent()
    workdir = Workdir(workdir)
    config, _ = workdir.read_config()
    output = _output(workdir, split, output, predictions)
    languages, skipped = open_languages(workdir, split, data_dir)
    found, theirs = None, None
    if predictions is not None:
        rates = {
            name: clip.fps
            for each in languages.values()
            for name, clip in zip(each.names, each.references)
        }
        codes = tuple(languages)
        found = read_predictions(predictions, rates)
        theirs = match(found, languages)
        skipped |= {code: "no usable prediction" for code in codes if code not in languages}
    fill_rows(languages, config, seed, theirs)
    if export_to is not None:
        export(export_to, split, languages)
    readers, kept_seconds = _readers(workdir, config, languages, reader_seeds, reader_config)
    read = _read(readers, languages) if readers else None
    texts = [text for each in languages.values() for text in each.texts]
    references = [clip for each in languages.values() for clip in each.references]
    scores = {}
    for row in rows.ROWS:
        clips = [clip for each in languages.values() for clip in each.rows[row]]
        only = () if row == "produced" else figures.BRIEF
        scores[row] = figures.score_row(references, clips, only)
    where, start = {"": np.arange(len(texts))}, 0  # "" = all languages
    for code, each in languages.items():
        where[code] = np.arange(start, start + len(each.texts))
        start += len(each.texts)
    tables = {
        row: {
            code: figures.flat_metrics(scores, row, chosen, texts, read, seed)
            for code, chosen in where.items()
        }
        for row in rows.ROWS
    }
    for code, metrics in tables["produced"].items():
        chosen = languages.values() if code == "" else [languages[code]]
        metrics["cut_off"] = int(sum(each.cut_off.sum() for each in chosen))
        metrics["excluded"] = sum(sum(each.excluded.values()) for each in chosen)
        real = tables["ground_truth"][code]
        metrics |= {name: real[name] for name in real if name.startswith("cer_real")}
    evaluators = [
        _evaluator(reader, languages, texts, where, read["ground_truth"][i])
        for i, reader in enumerate(readers)
    ]
    pictures = _pictures(workdir, output, languages, tables["produced"], scores, where)
    folder = workdir.path / "samples" if found is None else output.parent / output.stem
    _samples(folder, languages, config.eval.samples if samples is None else samples)
    report = {
        "overall": tables["produced"][""],
        "languages": {code: tables["produced"][code] for code in languages},
        "rows": {
            row: {"overall": table[""], "languages": {c: table[c] for c in languages}}
            for row, table in tables.items()
            if row != "produced"
        },
        "excluded": {code: dict(each.excluded) for code, each in languages.items()},
        "skipped": skipped,
        "misread": _misread(languages, where, texts, read),
        "pictures": pictures,
        "warnings": report_text.warnings(config, evaluators, tables["produced"], skipped, found),
        "split": split,
        **({"predictions": found.describe()} if found else {}),
        "run": provenance.describe_run(
            workdir.path,
            config,
            {code: each.group for code, each in languages.items()},
            began,
            kept_seconds,
        )
        | {"evaluators": evaluators, "evaluation_seed": seed},
    }
    write_file(output, json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False).encode())
    write_file(output.with_suffix(".md"), report_text.markdown(report).encode())
    return report


def _output(workdir: Workdir, split: str, output, predictions) -> Path:
    name = "report.json" if split == "test" else f"report-{split}.json"
    if predictions is not None:
        name = f"report-{Path(predictions).resolve().stem}.json"
    output = Path(output) if output else workdir.path / name
    if output.suffix != ".json":
        raise OutputError(f"cannot write the report to {output}: its name must end in .json")
    try:
        (output.parent / output.stem).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write to {output.parent}: {error.strerror}") from None
    return output


def _readers(workdir, config, languages, seeds, reader_config) -> tuple[list[Reader], float]:
    """The readers of all languages that are evaluated, trained where they are missing, and the
    CPU seconds that those which were there had taken.
    """
    if config.text.kind != "letters":  # CTC over letters is no judge of sentences
        return [], 0.0
    groups = [each.group for each in languages.values()]
    tokenizers, statistics = zip(*((group.tokenizer, group.statistics) for group in groups))
    readers, kept_seconds = [], 0.0
    for seed in dict.fromkeys(seeds):
        chosen = dataclasses.replace(reader_config, seed=seed)
        folder = workdir.path / "reader" / str(seed)
        reader = load_reader(folder, tuple(languages), tokenizers, statistics, chosen)
        if reader is None:
            train = [each.train for each in languages.values()]
            with tqdm.tqdm(total=chosen.steps, desc="reader", unit="step", disable=None) as bar:
                advance = functools.partial(_advance, bar)
                reader = train_reader(train, tokenizers, statistics, chosen, advance)
            save_reader(folder, reader)
        else:
            kept_seconds += reader.cpu_seconds
        readers.append(reader)
    return readers, kept_seconds


def _advance(bar: tqdm.tqdm, number: int, loss: np.ndarray) -> None:
    bar.set_postfix_str(f"loss {loss.mean():.3f}", refresh=False)
    bar.update()


def _read(readers, languages) -> dict[str, list[list[str | None]]]:
    """Row -> reader -> what it reads from the clips of all languages, None where there is none."""
    read: dict[str, list[list[str | None]]] = {}
    for row in rows.ROWS:
        read[row] = []
        for reader in readers:
            texts: list[str | None] = []
            for place, each in enumerate(languages.values()):
                there = [clip for clip in each.rows[row] if clip is not None]
                found = iter(reader.read(place, there))
                texts += [None if clip is None else next(found) for clip in each.rows[row]]
            read[row].append(texts)
    return read


def _evaluator(reader: Reader, languages, texts, where, read) -> dict:
    """What a report says about a reader: also how it reads the real clips of train."""
    train_read, train_texts = [], []
    for place, each in enumerate(languages.values()):
        # as many train clips as there are of the split, spread over it
        count = min(len(each.train), max(len(each.texts), 1))
        chosen = np.linspace(0, len(each.train) - 1, count).astype(int)
        train_read += reader.read(place, [each.train.clip(i) for i in chosen])
        language = each.group.language
        train_texts += [normalize_text(each.train.texts[i], language) for i in chosen]
    return {
        "kind": "ctc reader of poses, trained on real train clips",
        "seed": reader.config.seed,
        "steps": reader.config.steps,
        "sha256": digest(reader.params),
        "cpu_seconds": reader.cpu_seconds,
        "cer_train": cer(train_read, train_texts),
        "cer_real": cer(read, texts),
        "cer_real_languages": {
            code: cer([read[i] for i in where[code]], [texts[i] for i in where[code]])
            for code in languages
        },
        "memorised": bool(cer(read, texts) - cer(train_read, train_texts) > MEMORISED),
    }


def _misread(languages, where, texts, read) -> dict[str, list[list[str]]]:
    """Language -> (text, what the first reader read from its production) where they differ."""
    if read is None:
        return {}
    found = read["produced"][0]
    return {
        code: [[texts[i], found[i]] for i in where[code] if texts[i] != found[i]]
        for code in languages
    }


def _pictures(workdir, output, languages, metrics, scores, where) -> dict[str, str]:
    """Draws the plots into a folder beside the report; name -> path relative to it."""
    folder = output.parent / output.stem
    produced, pose = scores["produced"], scores["mean_pose"]
    lengths = {
        code: (produced["seconds_reference"][chosen], produced["seconds"][chosen])
        for code, chosen in where.items()
        if code
    }
    drawn = {
        "DTW ratio over training": plots.plot_training(
            workdir.path / "metrics.jsonl", tuple(languages), folder / "training.png"
        ),
        "Ratios of every language": plots.plot_languages(
            {code: metrics[code] for code in languages}, folder / "languages.png"
        ),
        "Length against length": plots.plot_lengths(lengths, folder / "lengths.png"),
    }
    every = [(c, i) for c, each in languages.items() for i in range(len(each.texts))]
    ratio = produced["dtw"] / pose["dtw"]
    order = [i for i in np.argsort(ratio) if np.isfinite(ratio[i])]
    if order:
        chosen = {"best": order[0], "median": order[len(order) // 2], "worst": order[-1]}
        clips = []
        for name, place in chosen.items():
            code, i = every[place]
            each = languages[code]
            text = f"{name}: {each.texts[i]} ({code}), DTW / mean pose {ratio[place]:.3f}"
            clips.append((text, each.rows["produced"][i], each.references[i]))
        drawn["Best, median and worst production"] = plots.strip(clips, folder / "strip.png")
    return {name: f"{folder.name}/{path.name}" for name, path in drawn.items() if path}


def _samples(folder: Path, languages: dict[str, Language], count: int) -> None:
    """Renders the first `count` clips of every language, the first also as gif and strip."""
    for code, each in languages.items():
        shown = [i for i, clip in enumerate(each.rows["produced"]) if len(clip)][:count]
        for number, i in enumerate(shown):
            name = re.sub(r"[^\w-]+", "_", each.texts[i])[:40]
            for suffix in (".mp4", ".gif", ".png") if number == 0 else (".mp4",):
                path = folder / f"{code}-{name}{suffix}"
                save_clip(path, each.rows["produced"][i], each.references[i], each.texts[i])
