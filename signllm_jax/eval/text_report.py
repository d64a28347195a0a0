"""The report of a text stage: texts of a corpus to LangGloss, one model or the mean of several."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np

from signllm_jax.artifacts.group import load_group, write_file
from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.errors import ConfigError, OutputError
from signllm_jax.corpora import gloss_corpora
from signllm_jax.eval import provenance
from signllm_jax.inference.text_to_gloss import Translator
from signllm_jax.metrics.gloss_metrics import TOKENIZE, mean_scores, score_lines
from signllm_jax.metrics.text_metrics import SHORT, signatures
from signllm_jax.parallel import sharding
from signllm_jax.train.text2gloss import LANE


def evaluate_text(
    workdir: str | os.PathLike,
    split: str = "test",
    output: str | os.PathLike | None = None,
    *,
    ensemble: Sequence[str | os.PathLike] = (),
    data_dir: str | None = None,
) -> dict:
    """Translates a split with a run's best parameters and writes its report.

    Args:
        workdir: of the run.
        split: `train`, `dev` or `test`.
        output: report.json; by default in the workdir, for another split than test
            `report-<split>.json`.
        ensemble: further runs of the same data and sizes, whose probabilities are averaged.
        data_dir: of the corpora; by default the run's.

    Returns:
        What is written: `text_stage` with the figures of `score_lines` over all languages (their
        mean) and `languages.<code>`, `signatures` of BLEU and chrF, `samples` (text, produced,
        true), and `run`.

    Raises:
        CheckpointError: there is no run, or it has no parameters yet.
        ConfigError: the runs of an ensemble have other glosses or sizes.
        OutputError: the report cannot be written.
    """
    began = provenance.spent()
    workdir = Workdir(workdir)
    config, codes = workdir.read_config()
    output = report_path(workdir, split, output)
    group = load_group(workdir.group(LANE))
    groups = [group, *(load_group(Workdir(path).group(LANE)) for path in ensemble)]
    for path, other in zip(ensemble, groups[1:]):
        if (other.model, other.text_stage) != (group.model, group.text_stage):
            raise ConfigError(f"{path}: has other glosses or sizes than {workdir.path}")
    params = jax.tree.map(lambda *leaves: np.stack(leaves), *(g.params for g in groups))
    mesh = sharding.make_mesh({}, jax.local_devices()[:1])
    translator = Translator(group.model, group.text_stage, mesh, config.eval.batch_size)
    scores, samples = {}, {}
    for code in codes:
        pairs = gloss_corpora.read_pairs(data_dir or config.data.data_dir, code, split)
        if not pairs:
            continue
        texts = [pair.text for pair in pairs]
        lines = translator(jax.device_put(params), texts, [code] * len(pairs))
        scores[code] = score_lines(lines, [pair.glosses for pair in pairs], code)
        scores[code]["texts"] = len(pairs)
        samples[code] = [
            [pair.text, " ".join(line), " ".join(pair.glosses)]
            for pair, line in list(zip(pairs, lines))[:5]
        ]
    report = {
        "text_stage": mean_scores(scores) | {"languages": scores},
        "signatures": signatures(TOKENIZE),
        "samples": samples,
        "split": split,
        "run": provenance.describe_run(workdir.path, config, {LANE: group}, began, 0.0)
        | {"ensemble": [os.fspath(path) for path in ensemble]},
    }
    write_file(output, json.dumps(report, indent=1, ensure_ascii=False).encode())
    return report


def report_path(workdir: Workdir, split: str, output) -> Path:
    """Where a report goes; raises OutputError when it cannot go there."""
    name = "report.json" if split == "test" else f"report-{split}.json"
    output = Path(output) if output else workdir.path / name
    if output.suffix != ".json":
        raise OutputError(f"cannot write the report to {output}: its name must end in .json")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write to {output.parent}: {error.strerror}") from None
    return output


def summary(report: dict) -> str:
    """A few lines for a terminal."""
    stage = report["text_stage"]
    lines = [f"{'':10} {'BLEU-4':>8} {'chrF':>8} {'exact':>8} {'language':>8} {'foreign':>8}"]
    for code, own in {**stage["languages"], "all": stage}.items():
        bleu = f"{own['bleu4']:8.2f}" if "bleu4" in own else f"{'-':>8}"
        lines.append(
            f"{code:10} {bleu} {own['chrf']:8.2f} {own['exact_match']:8.1%} "
            f"{own['language_accuracy']:8.1%} {own['foreign_marks']:8}"
        )
    lacking = [code for code, own in stage["languages"].items() if "bleu4" not in own]
    if lacking:
        lines.append(f"note: BLEU-4 has no meaning for {', '.join(lacking)}: {SHORT}.")
    lines.append(f"note: glosses are told apart at spaces ({report['signatures']['bleu']}).")
    return "\n".join(lines)
