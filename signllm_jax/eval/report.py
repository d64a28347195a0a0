"""The report of a run: its productions of a split, held against reference rows.

Productions are free-running: only texts reach the model. `report.json` is for machines,
`report.md` for people; pictures lie beside them and sample clips in the run's `samples/`.
"""

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from signllm_jax.artifacts.group import write_file
from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.errors import ConfigError, OutputError
from signllm_jax.eval import (
    baselines,
    figures,
    paper_table,
    plots,
    provenance,
    report_text,
    report_warnings,
)
from signllm_jax.eval.back_translate import ReaderConfig
from signllm_jax.eval.eval_set import Language, fill_rows, open_languages
from signllm_jax.eval.evaluators import (
    Evaluator,
    describe,
    lifting,
    open_evaluator,
    trained_inside,
)
from signllm_jax.eval.export import export
from signllm_jax.eval.flat import flatten_languages
from signllm_jax.eval.peers import Peer, sign
from signllm_jax.eval.predictions import file_name, match, read_predictions
from signllm_jax.eval.reading_report import evaluate_reader
from signllm_jax.metrics.text_metrics import signatures
from signllm_jax.render.save import save_clip

READER = ReaderConfig()
"""How CTC readers are trained, but for their seed."""


def evaluate(
    workdir: str | os.PathLike,
    split: str = "test",
    output: str | os.PathLike | None = None,
    *,
    evaluators: Sequence[str] = (),
    reader_seeds: Sequence[int] = (0,),
    seed: int = 0,
    data_dir: str | None = None,
    samples: int | None = None,
    reader_config: ReaderConfig = READER,
    predictions: str | os.PathLike | None = None,
    export_to: str | os.PathLike | None = None,
    peer: Peer | None = None,
) -> dict:
    """Produces a split's texts with a run's best parameters and writes its report.

    Of a back-translation run it is the report of how its readers read the real clips.

    Args:
        workdir: of the run.
        split: `train`, `dev` or `test`.
        output: report.json; by default in the workdir, for another split than test
            `report-<split>.json`. `<name>.md` and a folder of pictures `<name>/` lie beside it.
        evaluators: work directories of back-translation runs that read the clips; without any,
            fingerspelling is read by CTC readers that are trained here.
        reader_seeds: of the CTC readers; trained when they are not in `reader/`.
        seed: of the permutation of other clips and of the bootstrap.
        data_dir: of the prepared data; by default the run's.
        samples: clips of a language rendered to `samples/`; by default the config's.
        reader_config: sizes of the CTC readers; its seed is replaced.
        predictions: another system's clips (`eval.predictions`), scored in the place of the run's
            own; the report is then `report-<their name>.json`, and sample clips lie beside it.
        export_to: a folder that productions and references are written to (`eval.export`).
        peer: another system that signs the same texts, as a row of the report; all rows are then
            compared in x and y, since its depth is another one than ours.

    Returns:
        What is written to report.json.

    Raises:
        CheckpointError: there is no run, or it has no parameters yet.
        ConfigError: an evaluator is no back-translation run or lacks a language.
        DataError: the split has no clip that can be scored, or no prediction can.
        OutputError: the report or the export cannot be written.
    """
    began = provenance.spent()
    workdir = Workdir(workdir)
    config, _ = workdir.read_config()
    output = _output(workdir, split, output, predictions)
    if config.task == "back_translation":
        if evaluators or predictions or export_to or peer:
            raise ConfigError(f"{workdir.path}: holds readers, which produce no clips to judge")
        return evaluate_reader(workdir, config, split, output, seed=seed, data_dir=data_dir)
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
    letters = config.text.kind == "letters"
    readers = [open_evaluator(path, tuple(languages)) for path in evaluators]
    flat = peer is not None or (found is not None and found.flat)
    if flat:
        readers = [lifting(reader) for reader in readers]
    fill_rows(languages, config, seed, theirs)
    if export_to is not None:
        export(export_to, split, languages)
    if peer is not None:
        for code, clips in sign(peer, languages).items():
            languages[code].rows["peer"] = clips
        flatten_languages(languages)
    shown = [*baselines.ROWS, *(["peer"] if peer else [])]
    if letters and not readers:  # CTC over letters is no judge of sentences
        readers = trained_inside(workdir, languages, reader_seeds, reader_config, flat)
    read = _read(readers, languages, shown) if readers else None
    texts = [text for each in languages.values() for text in each.texts]
    references = [clip for each in languages.values() for clip in each.references]
    scores = {}
    for row in shown:
        clips = [clip for each in languages.values() for clip in each.rows[row]]
        only = () if row == "produced" else figures.BRIEF
        scores[row] = figures.score_row(references, clips, only)
    if found is not None:
        names = [file_name(name) for each in languages.values() for name in each.names]
        lasts = np.array([found.seconds.get(name, np.nan) for name in names])
        figures.leave_out(scores["produced"], lasts)
    where, start = {"": np.arange(len(texts))}, 0  # "" = all languages
    for code, each in languages.items():
        where[code] = np.arange(start, start + len(each.texts))
        start += len(each.texts)
    tables = {
        row: {
            code: figures.flat_metrics(scores, row, chosen, texts, read, seed, letters)
            for code, chosen in where.items()
        }
        for row in shown
    }
    for code, metrics in tables["produced"].items():
        chosen = languages.values() if code == "" else [languages[code]]
        metrics["cut_off"] = int(sum(each.cut_off.sum() for each in chosen))
        metrics["excluded"] = sum(sum(each.excluded.values()) for each in chosen)
        real = tables["ground_truth"][code]
        metrics |= {name: real[name] for name in real if "_real" in name}
    named = [
        describe(reader, languages, read["ground_truth"][i], letters)
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
        "warnings": report_warnings.warnings(
            config, named, tables["produced"], skipped, found, peer
        ),
        "split": split,
        **({"signatures": signatures()} if readers and not letters else {}),
        **({"predictions": found.describe()} if found else {}),
        **({"peer": peer.describe()} if peer else {}),
        "run": provenance.describe_run(
            workdir.path,
            config,
            {code: each.group for code, each in languages.items()},
            began,
            sum(reader.kept_seconds for reader in readers),
        )
        | {"evaluators": named, "evaluation_seed": seed},
    }
    write_file(output, json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False).encode())
    other = paper_table.other_split(output.parent, report)
    write_file(output.with_suffix(".md"), report_text.markdown(report, other).encode())
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


def _read(
    readers: Sequence[Evaluator], languages, shown: Sequence[str]
) -> dict[str, list[list[str | None]]]:
    """Row -> reader -> what it reads from the clips of all languages, None where there is none."""
    read: dict[str, list[list[str | None]]] = {}
    for row in shown:
        read[row] = []
        for reader in readers:
            texts: list[str | None] = []
            for code, each in languages.items():
                there = [clip for clip in each.rows[row] if clip is not None]
                found = iter(reader.read(code, there))
                texts += [None if clip is None else next(found) for clip in each.rows[row]]
            read[row].append(texts)
    return read


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
