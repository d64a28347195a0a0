"""All tables of the study of reinforcement learning: `docs/replay/tables.md`."""

from collections.abc import Iterator
from pathlib import Path

from launch.studies import costs, signer_tables, tables
from launch.studies.study import Study
from signllm_jax.artifacts.group import write_file


def write(study: Study, folder: Path, best: str | None) -> None:
    """Writes the tables of what is finished.

    Args:
        study: whose results are written.
        folder: of the records, where `tables.md` is written.
        best: the setting that was chosen on dev, None = not all ran.
    """
    text = "\n\n".join([*_settings(study, best), *_tests(study), *_signers(study), *_costs(folder)])
    write_file(folder / "tables.md", f"{text}\n".encode())


def _settings(study: Study, best: str | None) -> Iterator[str]:
    """Paragraphs and tables of the settings on dev, of which `best` was chosen."""
    dev = study.results("dev")
    yield "# Reinforcement learning: all tables"
    yield "Written by `launch/ablation.py`; [what it does here](../replay.md) says what they are."
    yield "## Settings on dev"
    yield (
        "Mean ± standard deviation over seeds. Chosen by the DTW ratio at the end, among the "
        f"settings with the channel: **{best}**; and of each control without a buffer one limit: "
        f"{', '.join(study.limits()) or 'none yet'}."
    )
    yield tables.training(dev, study.settings | study.controls)
    yield "DTW on dev at a quarter, a half, three quarters and the end of training:"
    yield tables.by_stage(dev, "dtw")
    yield "And the frame error on dev, teacher-forced:"
    yield tables.by_stage(dev, "loss")
    yield "On clean train clips, with the same seeds:"
    yield tables.training(study.results("clean"), study.settings | study.controls)
    yield "## How well errors tell damaged clips from clean ones"
    yield (
        "AUC over the train clips: of the final parameters' teacher-forced and free-running "
        "errors, and of what the buffer held at the end."
    )
    yield tables.auc(dev)


def _tests(study: Study) -> Iterator[str]:
    """Paragraphs and tables of the test split, of the demo, and of the policy gradient."""
    yield "## Test, once"
    yield (
        "Mean and 95% interval (t) over the seeds; the difference to base is paired by seed. The "
        "rows without `config.loss.robust` were made by an earlier version of the project. "
        "`prompt2langgloss` is the other kind of model, after as many steps of as many rows, from "
        "the true LangGloss; it is not read, and its errors cannot be compared with damaged clips "
        "in the buffer, so it has one row."
    )
    yield tables.test(study.results("test"))
    yield "## The demo with the channel and without"
    yield (
        "Test words, mean ± standard deviation over the seeds, and the worst language of any seed. "
        "`plc` is the paper's learning; `mse` is without reinforcement learning."
    )
    yield tables.demo(study.records.read("demo"))
    yield "## Policy gradient"
    yield "On dev, mean ± standard deviation and the change's 95% interval:"
    yield tables.further_dev(study.results("finetune-dev"), study.finetune)
    yield "On test, with the same seeds, once:"
    yield tables.further_test(study.results("finetune-test"))


def _signers(study: Study) -> Iterator[str]:
    """Paragraphs and tables of the runs on many signers."""
    found, config = study.results("draws"), study.signers
    yield "## Whom the channel draws where signers differ"
    yield (
        f"{config.data.dataset}, {config.train.steps} steps by the paper's learning, a run for "
        "each `rl.group`; means over the second half of the run, in which every clip is in the "
        "buffer. The share of the draws is what the clips' probabilities sum to."
    )
    yield signer_tables.drawn(found, "draws")
    yield "Share of each signer's clips that are below the threshold:"
    yield signer_tables.drawn(found, "below")
    yield "## A reader's reward"
    yield (
        f"{study.sampled.data.dataset} with a latent, after {study.sampled.train.steps} steps of "
        "the usual loss. The policy is the distribution of the latent given the text; the reward "
        "is a reader's log-probability of a letter of the text. Another reader judges samples of "
        "the test texts, before and after; the diversity is the mean distance of a text's samples. "
        "All seeds start from the same parameters."
    )
    yield signer_tables.read(study.results("reader"))


def _costs(folder: Path) -> Iterator[str]:
    """Paragraphs and tables of what a step costs, from the records in a folder."""
    yield "## What the channel costs"
    yield (
        "A step with the channel and one without, in turns in one process on a CPU "
        "(`launch/benchmark.py replay`): median and quartiles of the rounds."
    )
    yield costs.measured(folder)
    yield (
        "The compiler's estimate of a step on a slice of TPUs (`launch/compile.py`), without the "
        "interconnect, and the collectives in each. The channel's own operations have none; which "
        "weights are gathered how often is the compiler's choice, and differs a little. What the "
        "compiler gives no count for is charged by its operations and bytes (`ms uncounted`):"
    )
    yield costs.slices(folder)
