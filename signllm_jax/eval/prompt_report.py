"""The report of Prompt2LangGloss: both stages, apart and together, on prompts never trained on.

The text stage is asked for every text of the split in all spoken languages, with templates that no
model is trained on (of fingerspelling at `test` for words that are in no split, which nothing was
chosen on either); once as `produce` asks it, with the sign language that `parse_prompt` finds by
rules that do not know those templates, and once unaided, told the language only where the prompt
does not say it. The pose stage is given the true LangGloss, and what the text stage understood of
the prompts in each sign language's own spoken language.
"""

import json
import os
from collections import defaultdict

import jax
import numpy as np

from signllm_jax.artifacts.group import load_group, write_file
from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.errors import DataError
from signllm_jax.corpora import fingerspelling
from signllm_jax.data import splits
from signllm_jax.data.prompt_sampling import LANE
from signllm_jax.eval import provenance
from signllm_jax.eval.prompt_dev import (
    PromptModel,
    open_asked,
    own_spoken,
    prompts_for,
    score_poses,
    spelled_asked,
)
from signllm_jax.eval.text_report import report_path
from signllm_jax.metrics.gloss_metrics import mean_scores, score_lines
from signllm_jax.parallel import sharding
from signllm_jax.text.langgloss import split_marks
from signllm_jax.text.prompts import SPOKEN

WRONG = 20
"""Prompts that were misunderstood which a report lists, of each sign language."""


def evaluate_prompts(
    workdir: str | os.PathLike,
    split: str = "test",
    output: str | os.PathLike | None = None,
    *,
    data_dir: str | None = None,
) -> dict:
    """Asks a run's best parameters for the texts of a split and writes the report.

    Args:
        workdir: of the run.
        split: `train`, `dev` or `test` of the texts, and `dev` or `test` of the templates (with
            train texts those of dev).
        output: see `evaluate_text`.
        data_dir: of the prepared data; by default the run's.

    Returns:
        What is written: `overall` and `languages.<code>` with the pose figures from prompts,
        `rows.true_langgloss` with those from true LangGloss, `text_stage` with the figures of
        `score_lines` (overall, `languages.<code>`, `unaided`, and `spoken.<code>`: exact match
        only), `misunderstood` and `run`.

    Raises:
        CheckpointError: there is no run, or it has no parameters yet.
        DataError: no language has a clip of the split.
        OutputError: the report cannot be written.
    """
    began = provenance.spent()
    workdir = Workdir(workdir)
    config, codes = workdir.read_config()
    output = report_path(workdir, split, output)
    group = load_group(workdir.group(LANE))
    mesh = sharding.make_mesh({}, jax.local_devices()[:1])
    model = PromptModel(group, mesh, config)
    params = jax.device_put(jax.tree.map(lambda leaf: leaf[None], group.params))
    folder = data_dir or config.data.data_dir or None

    def open_all(name):
        return {code: splits.open_split(config.data.dataset, code, name, folder) for code in codes}

    if split == "test" and config.data.dataset == "fingerspelling":
        words = {code: fingerspelling.prompt_words(code) for code in codes}
        asked = spelled_asked(words, open_all("train"), config.data.layout)
    else:
        asked = open_asked(open_all(split), open_all("train"), config.data.layout)
    templates = "test" if split == "test" else "dev"
    if not asked:
        raise DataError(f"{workdir.path}: no clip of {split} can be scored")
    text, unaided, poses, true, wrong = {}, {}, {}, {}, {}
    exact = defaultdict(list)
    for code, own in asked.items():
        glosses = [[gloss for _, gloss in split_marks(line)] for line in own.lines]
        lines, alone, wrong[code] = [], [], []
        for spoken in SPOKEN:
            prompts, callers = prompts_for(own.texts, code, [spoken] * len(own.texts), templates)
            alone += model.lines(params, prompts, callers)
            understood = model.understood(params, prompts, callers, templates)
            lines += understood
            for prompt, line, right in zip(prompts, understood, own.lines):
                exact[spoken].append(" ".join(line) == right)
                if not exact[spoken][-1] and len(wrong[code]) < WRONG:
                    wrong[code].append([prompt, " ".join(line), right])
            if spoken == own_spoken(code):
                poses[code] = score_poses(
                    own, model.clips(params, [" ".join(x) for x in understood])
                )
        text[code] = score_lines(lines, glosses * len(SPOKEN), code)
        text[code]["prompts"] = len(lines)
        unaided[code] = score_lines(alone, glosses * len(SPOKEN), code)
        true[code] = score_poses(own, model.clips(params, own.lines))
    report = {
        "overall": mean_scores(poses),
        "languages": poses,
        "rows": {"true_langgloss": {"overall": mean_scores(true), "languages": true}},
        "text_stage": mean_scores(text)
        | {"unaided": mean_scores(unaided) | {"languages": unaided}}
        | {"languages": text, "spoken": {k: float(np.mean(v)) for k, v in exact.items()}},
        "misunderstood": wrong,
        "split": split,
        "run": provenance.describe_run(workdir.path, config, {LANE: group}, began, 0.0),
    }
    write_file(output, json.dumps(report, indent=1, ensure_ascii=False).encode())
    return report


def summary(report: dict) -> str:
    """A few lines for a terminal."""
    text, true = report["text_stage"], report["rows"]["true_langgloss"]
    lines = [
        f"{'':8} {'prompts':>8} {'language':>9} {'LangGloss':>10} {'DTW/mean pose':>14} {'true':>7}"
    ]
    table = {code: (text["languages"][code], poses) for code, poses in report["languages"].items()}
    for code, (own, poses) in {**table, "all": (text, report["overall"])}.items():
        given = true["languages"].get(code, true["overall"])["dtw_mean_pose_ratio"]
        lines.append(
            f"{code:8} {own['prompts']:8} {own['language_accuracy']:9.1%} "
            f"{own['exact_match']:10.1%} {poses['dtw_mean_pose_ratio']:14.3f} {given:7.3f}"
        )
    alone = text["unaided"]
    lines.append(
        f"unaided: language {alone['language_accuracy']:.1%}, LangGloss {alone['exact_match']:.1%}"
    )
    return "\n".join(lines)
