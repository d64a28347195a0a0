"""The report of a text stage: texts of a corpus to LangGloss, one model or the mean of several."""

import os
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from signllm_jax.artifacts.group import load_group
from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.errors import ConfigError, DataError
from signllm_jax.core.tasks import SHARED
from signllm_jax.corpora import gloss_corpora
from signllm_jax.eval import pages, provenance, warnings
from signllm_jax.eval.figures import line_metrics
from signllm_jax.eval.report import TEXT_STAGE, Report, report_path
from signllm_jax.inference.text_to_gloss import Translator
from signllm_jax.metrics.gloss_metrics import TOKENIZE
from signllm_jax.metrics.text_metrics import signatures
from signllm_jax.parallel import sharding


def evaluate(
    workdir: str | os.PathLike,
    split: str = "test",
    output: str | os.PathLike | None = None,
    *,
    ensemble: Sequence[str | os.PathLike] = (),
    samples: int = 5,
    seed: int = 0,
    data_dir: str | None = None,
) -> dict[str, Any]:
    """Translates a split with a run's best parameters and writes its report.

    Args:
        workdir: Work directory of the run.
        split: `train`, `dev` or `test`.
        output: File of report.json; by default in the work directory, for another split than test
            `report-<split>.json`. report.md lies beside it.
        ensemble: Further runs of the same data and sizes, whose probabilities are averaged.
        samples: Number of texts of a language that are shown with their LangGloss.
        seed: Seed of the bootstrap.
        data_dir: Folder of the corpora; by default the run's.

    Returns:
        What is written: `text_stage` with the figures of `score_lines` over all languages (their
        mean) and `languages.<code>`, `signatures` of BLEU and chrF, `samples` (text, produced,
        true), and `run`.

    Raises:
        CheckpointError: There is no run, or it has no parameters yet.
        ConfigError: The runs of an ensemble have other glosses or sizes.
        DataError: No language has a text of the split.
        OutputError: The report cannot be written.
    """
    began = provenance.spent()
    run_dir = Workdir(workdir)
    config, codes = run_dir.read_config()
    file = report_path(run_dir, split, output)
    group = load_group(run_dir.group(SHARED))
    groups = [group, *(load_group(Workdir(path).group(SHARED)) for path in ensemble)]
    for path, member in zip(ensemble, groups[1:]):
        if (member.model, member.text_stage) != (group.model, group.text_stage):
            raise ConfigError(f"{path}: has other glosses or sizes than {run_dir.path}")
    params = jax.tree.map(lambda *leaves: np.stack(leaves), *(g.params for g in groups))
    mesh = sharding.make_mesh({}, jax.local_devices()[:1])
    translator = Translator(group.model, group.needed_text_stage, mesh, config.eval.batch_size)
    lines, glosses, shown, skipped = {}, {}, {}, {}
    for code in codes:
        pairs = gloss_corpora.read_pairs(data_dir or config.data.data_dir, code, split)
        if not pairs:
            skipped[code] = f"no text of {split}"
            continue
        texts = [pair.text for pair in pairs]
        glosses[code] = [pair.glosses for pair in pairs]
        lines[code] = translator(jax.device_put(params), texts, [code] * len(pairs))
        triples = zip(texts, map(" ".join, lines[code]), map(" ".join, glosses[code]))
        shown[code] = list(map(list, triples))[:samples]
    if not lines:
        raise DataError(f"{run_dir.path}: no text of {split} can be translated: {skipped}")
    table = line_metrics(lines, glosses, seed, count="texts")
    facts = {
        "samples": shown,
        "skipped": skipped,
        "warnings": warnings.of_skipped(skipped) + warnings.of_short_lines({TEXT_STAGE: table}),
        "signatures": {"glosses": signatures(TOKENIZE)},
        "split": split,
        "run": provenance.describe_run(run_dir.path, config, {SHARED: group}, began, 0.0)
        | {"ensemble": [os.fspath(path) for path in ensemble], "evaluation_seed": seed},
    }
    return pages.write(Report({TEXT_STAGE: table}, facts), file)
