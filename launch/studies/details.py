"""All tables of the study of reinforcement learning: `docs/replay/tables.md`."""

from pathlib import Path

from launch.studies import costs, signer_tables, tables
from launch.studies.study import Study
from signllm_jax.artifacts.group import write_file


def write(study: Study, folder: Path, best: str | None) -> None:
    """Writes the tables of the finished runs.

    Args:
        study: Study whose results are written.
        folder: Folder of the records, where `tables.md` is written.
        best: Setting that was chosen on dev, None = not all ran.
    """
    dev, draws = study.results("dev"), study.results("draws")
    settings = study.settings | study.controls
    parts = [
        "# Reinforcement learning: all tables",
        "Written by `launch/ablation.py`; [what it does here](../replay.md) says what they are.",
        "## Settings on dev",
        "Mean ± standard deviation over seeds. Chosen by the DTW ratio at the end, among the "
        f"settings with the channel: **{best}**; and of each control without a buffer one limit: "
        f"{', '.join(study.limits()) or 'none yet'}.",
        tables.training(dev, settings),
        "DTW on dev at a quarter, a half, three quarters and the end of training:",
        tables.by_stage(dev, "dtw"),
        "And the frame error on dev, teacher-forced:",
        tables.by_stage(dev, "loss"),
        "On clean train clips, with the same seeds:",
        tables.training(study.results("clean"), settings),
        "## How well errors tell damaged clips from clean ones",
        "AUC over the train clips: of the final parameters' teacher-forced and free-running "
        "errors, and of what the buffer held at the end.",
        tables.auc(dev),
        "## Test, once",
        "Mean and 95% interval (t) over the seeds; the difference to base is paired by seed. The "
        "rows without `config.loss.robust` were made by an earlier version of the project. "
        "`prompt2langgloss` is the other kind of model, after as many steps of as many rows, from "
        "the true LangGloss; it is not read, and its errors cannot be compared with damaged clips "
        "in the buffer, so it has one row.",
        tables.test(study.results("test")),
        "## The demo with the channel and without",
        "Test words, mean ± standard deviation over the seeds, and the worst language of any seed. "
        "`plc` is the paper's learning; `mse` is without reinforcement learning.",
        tables.demo(study.records.read("demo")),
        "## Policy gradient",
        "On dev, mean ± standard deviation and the change's 95% interval:",
        tables.further_dev(study.results("finetune-dev"), study.finetune),
        "On test, with the same seeds, once:",
        tables.further_test(study.results("finetune-test")),
        "## Whom the channel draws where signers differ",
        f"{study.signers.data.dataset}, {study.signers.train.steps} steps by the paper's learning, "
        "a run for each `rl.group`; means over the second half of the run, in which every clip is "
        "in the buffer. The share of the draws is what the clips' probabilities sum to.",
        signer_tables.drawn(draws, "draws"),
        "Share of each signer's clips that are below the threshold:",
        signer_tables.drawn(draws, "below"),
        "## A reader's reward",
        f"{study.sampled.data.dataset} with a latent, after {study.sampled.train.steps} steps of "
        "the usual loss. The policy is the distribution of the latent given the text; the reward "
        "is a reader's log-probability of a letter of the text. Another reader judges samples of "
        "the test texts, before and after; the diversity is the mean distance of a text's samples. "
        "All seeds start from the same parameters.",
        signer_tables.read(study.results("reader")),
        "## What the channel costs",
        "A step with the channel and one without, in turns in one process on a CPU "
        "(`launch/benchmark.py replay`): median and quartiles of the rounds.",
        costs.measured(folder),
        "The compiler's estimate of a step on a slice of TPUs (`launch/compile.py`), without the "
        "interconnect, and the collectives in each. The channel's own operations have none; which "
        "weights are gathered how often is the compiler's choice, and differs a little. What the "
        "compiler gives no count for is charged by its operations and bytes (`ms uncounted`):",
        costs.slices(folder),
    ]
    write_file(folder / "tables.md", ("\n\n".join(parts) + "\n").encode())
