"""The report of a run that produces clips: its productions, compared with reference rows.

Productions are free-running: only texts or prompts reach the model. `report.json` is for programs,
`report.md` for people; pictures lie beside them and sample clips in the run's `samples/`.
"""

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.errors import ConfigError
from signllm_jax.core.wording import counted
from signllm_jax.eval import baselines, figures, pages, plots, provenance, takes_report, warnings
from signllm_jax.eval.back_translate import ReaderConfig
from signllm_jax.eval.eval_set import EvalSet, Language, fill_rows, open_texts
from signllm_jax.eval.evaluators import (
    Evaluator,
    check_fit,
    describe,
    lifting,
    open_evaluator,
    reader_of,
    tell,
    trained_inside,
)
from signllm_jax.eval.export import export as export_clips
from signllm_jax.eval.flat import flatten_languages
from signllm_jax.eval.lengths import of_languages
from signllm_jax.eval.peers import Peer, sign
from signllm_jax.eval.predictions import Predictions, file_name, match, read_predictions
from signllm_jax.eval.report import ALL, Report, keeps, report_path
from signllm_jax.eval.samples import save_samples
from signllm_jax.metrics.text_metrics import signatures

BARS = ("dtw_mean_pose_ratio", "dtw_other_clip_ratio", "cer", "cer_real")


def evaluate(
    workdir: str | os.PathLike,
    split: str = "test",
    output: str | os.PathLike | None = None,
    *,
    evaluators: Sequence[str] = (),
    readers: int | None = None,
    seed: int = 0,
    data_dir: str | None = None,
    samples: int | None = None,
    reader_config: ReaderConfig | None = None,
    predictions: str | os.PathLike | None = None,
    export: str | os.PathLike | None = None,
    peer: Peer | None = None,
    opened: Callable[[Workdir, str, str | None], EvalSet] = open_texts,
) -> dict[str, Any]:
    """Produces a split's texts with a run's best parameters and writes its report.

    Args:
        workdir: Work directory of the run.
        split: `train`, `dev` or `test`.
        output: File of report.json; by default in the work directory, for another split than test
            `report-<split>.json`. `<name>.md` and a folder of pictures `<name>/` lie beside it.
        evaluators: Work directories of back-translation runs that read the clips; without any,
            fingerspelling is read by CTC readers that are trained here.
        readers: Number of the CTC readers, of seeds 0, 1, ..., by default 1; they are trained when
            they are not in the run's `reader/`, or in that of the report's folder where nothing is
            written into the run.
        seed: Seed of the permutation of other clips and of the bootstrap.
        data_dir: Folder of the prepared data; by default the run's.
        samples: Clips of a language rendered to `samples/`; by default the config's.
        reader_config: Sizes of the CTC readers, whose seed is replaced; the default depends on the
            data set.
        predictions: Another system's clips (`eval.predictions`), which are scored in place of the
            run's productions; these are a further row where both have depth. The report is then
            `report-<name of the predictions>.json`, and sample clips lie beside it.
        export: Folder that productions and references are written to (`eval.export`).
        peer: Another system that signs the same texts, as a row; all rows are then in x and y.
        opened: Function that opens the evaluation set for the kind of run.

    Returns:
        What is written to report.json.

    Raises:
        CheckpointError: There is no run, it has no parameters yet, or a reader that was found
            reads real clips wrong.
        ConfigError: An evaluator is no back-translation run or lacks a language, or readers are
            asked for where there are none.
        DataError: The split has no clip that can be scored, or no prediction can.
        OutputError: The report or the export cannot be written.
    """
    began = provenance.spent()
    if readers and evaluators:
        raise ConfigError("--readers: none are trained where --evaluators read; give one of both")
    run_dir = Workdir(workdir)
    file = report_path(run_dir, split, output, predictions, peer.name if peer else "")
    kept, evaluated = keeps(run_dir, file), opened(run_dir, split, data_dir)
    config, languages, spelled = evaluated.config, evaluated.languages, evaluated.spelled
    if readers and not spelled:
        raise ConfigError(f"--readers: they spell words, but {run_dir.path} has sentences")
    theirs, matched = (None, None) if predictions is None else _predicted(evaluated, predictions)
    judges = [open_evaluator(path, tuple(languages)) for path in evaluators]
    flat = peer is not None or (theirs is not None and theirs.flat)
    if flat:
        judges = [lifting(judge) for judge in judges]
    if not flat or peer is not None:
        tell(f"producing {counted(sum(len(lang.texts) for lang in languages.values()), 'clip')}")
    more_rows, more_facts = fill_rows(evaluated, seed, matched, with_own_model=not flat)
    takes_report.add_rows(evaluated)
    if export is not None:
        export_clips(export, split, languages)
    if peer is not None:
        for code, clips in sign(peer, languages).items():
            languages[code].rows["peer"] = clips
        flatten_languages(languages)
    if spelled and not judges:  # CTC over letters is no judge of sentences
        sizes = reader_config or reader_of(config)
        seeds = range(1 if readers is None else readers)
        judges = trained_inside(kept, languages, seeds, sizes, flat)
    read = _read(judges, languages) if judges else None
    described = [
        describe(judge, languages, [text for text in real if text is not None], spelled)
        for judge, real in zip(judges, read["ground_truth"] if read else ())
    ]
    for evaluator in described:
        check_fit(evaluator)
    texts = [text for language in languages.values() for text in language.texts]
    where = _indices(languages)
    scores = _scores(evaluated, theirs)
    rows = _tables(evaluated, scores, where, texts, read, seed)
    takes_report.add_figures(evaluated, rows)
    folder = file.parent / file.stem if theirs or peer else kept.path / "samples"
    count = config.eval.samples if samples is None else samples
    save_samples(folder, languages, count, spelled and not (theirs or peer))
    kept_seconds = sum(judge.kept_seconds for judge in judges)
    run = provenance.describe_run(run_dir.path, config, evaluated.groups, began, kept_seconds)
    notes = warnings.of_clips(config, described, rows["produced"], evaluated.skipped, theirs, peer)
    notes += warnings.of_short_lines(rows | more_rows) + warnings.of_odd_clips(languages, spelled)
    facts = {
        "excluded": {code: dict(language.excluded) for code, language in languages.items()},
        "skipped": evaluated.skipped,
        "misread": _misread(where, texts, read),
        "pictures": _pictures(run_dir, file, evaluated, rows["produced"], scores, where),
        "warnings": notes,
        "split": split,
        **({"predictions": theirs.describe()} if theirs else {}),
        **({"peer": peer.describe()} if peer else {}),
        "run": run | {"evaluators": described, "evaluation_seed": seed},
    }
    if read is not None and spelled:
        facts["lengths"] = of_languages(languages, where, read["produced"], scores["produced"])
    elif read is not None:
        facts["signatures"] = {"texts": signatures()} | more_facts.pop("signatures", {})
    return pages.write(Report(rows | more_rows, facts | more_facts), file)


def _predicted(evaluated: EvalSet, path):
    """Another system's predictions, and its clips by language; skips languages without any."""
    rates = {
        name: clip.fps
        for language in evaluated.languages.values()
        for name, clip in zip(language.names, language.references)
    }
    codes = tuple(evaluated.languages)
    theirs = read_predictions(path, rates)
    matched = match(theirs, evaluated.languages)
    evaluated.skipped |= {c: "no usable prediction" for c in codes if c not in evaluated.languages}
    return theirs, matched


def _indices(languages: dict[str, Language]) -> dict[str, np.ndarray]:
    """Language -> the indices of its clips among those of all languages."""
    ends = np.cumsum([0, *(len(language.texts) for language in languages.values())])
    return {code: np.arange(*ends[i : i + 2]) for i, code in enumerate(languages)}


def _read(judges: Sequence[Evaluator], languages) -> dict[str, list[list[str | None]]]:
    """Row -> reader -> the text of each clip of all languages, None where there is no clip."""
    read: dict[str, list[list[str | None]]] = {}
    for row in _row_names(languages):
        read[row] = [[] for _ in judges]
        for texts, judge in zip(read[row], judges):
            for code, language in languages.items():
                clips = language.rows[row]
                in_turn = iter(judge.read(code, [clip for clip in clips if clip is not None]))
                texts += [None if clip is None else next(in_turn) for clip in clips]
    return read


def _row_names(languages: dict[str, Language]) -> list[str]:
    return [row for row in baselines.ROWS if row in next(iter(languages.values())).rows]


def _scores(evaluated: EvalSet, theirs: Predictions | None) -> dict[str, dict[str, np.ndarray]]:
    """Row -> scores of all clips; distances leave out predictions without an end."""
    languages, scores = evaluated.languages.values(), {}
    references = [clip for language in languages for clip in language.references]
    for row in _row_names(evaluated.languages):
        clips = [clip for language in languages for clip in language.rows[row]]
        if evaluated.alike and row in figures.MODEL_ROWS:  # no frames: the mean pose
            still = (clip for language in languages for clip in language.rows["mean_pose"])
            clips = [
                clip if clip is not None and len(clip) else pose for clip, pose in zip(clips, still)
            ]
        only = () if row == "produced" else figures.BRIEF
        scores[row] = figures.score_row(references, clips, only)
    if theirs is not None:
        names = [file_name(name) for language in languages for name in language.names]
        seconds = np.array([theirs.seconds.get(name, np.nan) for name in names])
        figures.leave_out(scores["produced"], seconds)
    return scores


def _tables(evaluated: EvalSet, scores, where, texts, read, seed) -> dict[str, dict[str, dict]]:
    """Row -> language, or ALL -> flat metrics."""
    parts = {ALL: list(where.values()) if evaluated.alike else [np.arange(len(texts))]}
    parts |= {code: [chosen] for code, chosen in where.items()}
    rows = {
        row: {
            code: figures.flat_metrics(scores, row, part, texts, read, seed, evaluated.spelled)
            for code, part in parts.items()
        }
        for row in ("produced", *(row for row in scores if row != "produced"))
    }
    for code, metrics in rows["produced"].items():
        chosen = evaluated.languages.values() if code == ALL else [evaluated.languages[code]]
        metrics["cut_off"] = int(sum(language.cut_off.sum() for language in chosen))
        metrics["excluded"] = sum(sum(language.excluded.values()) for language in chosen)
        real = rows["ground_truth"][code]
        metrics |= {name: real[name] for name in real if "_real" in name}
        for row in figures.MODEL_ROWS if evaluated.alike else ():
            if row in rows:
                clips = (clip for language in chosen for clip in language.whole(row))
                rows[row][code]["unproduced"] = sum(not len(clip) for clip in clips)
    return rows


def _misread(where, texts, read) -> dict[str, list[list[str]]]:
    """Language -> (text, text that the first reader read from its production) if they differ."""
    if read is None:
        return {}
    pairs = list(map(list, zip(texts, read["produced"][0])))
    return {
        code: [pairs[i] for i in chosen if pairs[i][0] != pairs[i][1]]
        for code, chosen in where.items()
    }


def _pictures(workdir, output, evaluated: EvalSet, metrics, scores, where) -> dict[str, str]:
    """Draws the plots into a folder beside the report; name -> path relative to it."""
    folder = output.parent / output.stem
    folder.mkdir(exist_ok=True)
    produced, pose = scores["produced"], scores["mean_pose"]
    lengths = {
        code: (produced["seconds_reference"][chosen], produced["seconds"][chosen])
        for code, chosen in where.items()
    }
    drawn = {
        "DTW ratio over training": plots.plot_training(
            workdir.path / "metrics.jsonl", tuple(evaluated.groups), folder / "training.png"
        ),
        "Ratios of every language": plots.plot_languages(
            {code: metrics[code] for code in where}, BARS, folder / "languages.png"
        ),
        "Length against length": plots.plot_lengths(lengths, folder / "lengths.png"),
    }
    clips = [(c, i) for c, lang in evaluated.languages.items() for i in range(len(lang.texts))]
    ratio = produced["dtw"] / pose["dtw"]
    order = [i for i in np.argsort(ratio) if np.isfinite(ratio[i])]
    if order:
        chosen = {"best": order[0], "median": order[len(order) // 2], "worst": order[-1]}
        strips = []
        for name, index in chosen.items():
            code, i = clips[index]
            language = evaluated.languages[code]
            text = f"{name}: {language.texts[i]} ({code}), DTW / mean pose {ratio[index]:.3f}"
            strips.append((text, language.whole("produced")[i], language.references[i]))
        drawn["Best, median and worst production"] = plots.strip(strips, folder / "strip.png")
    return {name: f"{folder.name}/{path.name}" for name, path in drawn.items() if path}
