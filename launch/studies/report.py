"""The study's page and figure: `docs/replay.md` and `docs/replay.png`; `details` has the tables."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from launch.studies import costs, details, signer_tables, tables
from launch.studies.records import Key
from launch.studies.study import DEV_SEEDS, TEST_SEEDS, Study, by_setting
from signllm_jax.artifacts.group import write_file
from signllm_jax.core.errors import DataError
from signllm_jax.eval.plots import plot_curves


def write(study: Study, docs: Path) -> str:
    """Writes the page, the figure and all tables of what is finished.

    Returns:
        A line that says where.

    Raises:
        DataError: nothing is finished.
    """
    dev = study.results("dev")
    if not dev:
        raise DataError(f"{docs / 'replay'}: no run on dev is finished")
    (docs / "replay").mkdir(parents=True, exist_ok=True)
    best = study.chosen("dev", study.candidates(), study.config.data.corrupt)
    shown = study.compared()
    _figure({key: r for key, r in dev.items() if key[0] in {*study.settings, *shown}}, docs)
    parts = [*_head(study), *_overview(study, shown), *_findings(study, best), *_signers(study)]
    parts += [*_demo(study), *_gradient(study), *_cost(docs / "replay"), *_open()]
    write_file(docs / "replay.md", ("\n\n".join(parts) + "\n").encode())
    details.write(study, docs / "replay", best)
    return f"{docs / 'replay.md'}: {len(dev)} runs on dev"


def _head(study: Study) -> list[str]:
    config = study.config
    return [
        "# Reinforcement learning: what it does here",
        "The paper learns with a reinforcement loss and a **Priority Learning Channel** (PLC): a "
        "share of every batch is drawn from a buffer, clips of a high reward more often, of a low "
        "one never. Written by `launch/ablation.py`, as are [all tables](replay/tables.md).",
        f"Fingerspelling, {config.data.languages[0]}, size {config.size}, {config.train.steps} "
        f"steps of {config.train.batch_size} rows (`configs/ablation.py`). DTW is the ratio to the "
        "mean pose, free-running: 0 is the real clip, 1 the mean pose. CER is a reader's. Steps "
        f"are those to the base's end on dev, {seeds(DEV_SEEDS)}; the rest is test, once, "
        f"{seeds(TEST_SEEDS)}, mean and 95% interval.",
    ]


def _overview(study: Study, shown: Sequence[str]) -> list[str]:
    share = study.config.data.corrupt
    dev, clean, tested = (study.results(stage) for stage in ("dev", "clean", "test"))
    return [
        "## Damaged clips and clean ones",
        f"In {share:.0%} of the train clips the word is wrong, the hands are frozen or the noise "
        "is heavy.",
        tables.overview(dev, clean, tested, shown, share),
        "`rl_loss` is the paper's loss alone, `plc` with the channel, `plc_share` with two thirds "
        "of the rows drawn. Without buffer or reward, by `config.loss.robust`, `trimmed_K` leaves "
        "out clips whose error is above K times their batch's median, `clipped_K` counts them as "
        "one at that limit, and `huber_K` counts an error linearly beyond K deviations. "
        "The best of each kind on dev is tested.",
    ]


def _findings(study: Study, best: str | None) -> list[str]:
    share, dev, tested = (
        study.config.data.corrupt,
        study.results("dev"),
        study.results("test"),
    )
    names = list(filter(None, (best, *study.limits())))
    against = [
        f"`{name}` {tables.apart(tested, (name, best or 'plc'), share, 'dtw', '+.3f')}"
        for name in study.limits()
    ]
    clean = [
        f"`{name}` {tables.apart(_points(tested), (name, 'base'), 0.0, 'cer', '+.1f')}"
        for name in names
    ]
    distance = [
        f"`{name}` {tables.apart(tested, (name, 'base'), 0.0, 'dtw', '+.3f')}"
        for name in study.limits()
    ]
    return [
        "- **The loss alone changes nothing.** Its gradient is that of the squared error.\n"
        "- **On damaged clips the channel helps**, and the more the more it draws: damaged clips "
        "fall below the threshold. The choice helps, not the buffer: on "
        f"dev the base ends at DTW {tables.on_dev(dev, 'base')}, drawing all alike at "
        f"{tables.on_dev(dev, 'plc_uniform')}.\n"
        "- **The cheaper explanation is a robust loss.** Clips that fit badly have to count less; "
        "that needs neither buffer nor reward nor draws. At half the median most clips are "
        f"clipped and count about alike. Damaged, DTW against `{best}`: "
        f"{', '.join(against) or 'not run'}.\n"
        "- **On clean clips no gain of the channel is shown.** CER against `base`, in points: "
        f"{', '.join(clean) or 'not run'}. Five seeds cannot tell 0.2 points. DTW: "
        f"{', '.join(distance) or 'not run'}.",
        "![DTW ratio and loss on dev over training](replay.png)",
    ]


def _points(tested: Mapping[Key, dict]) -> dict[Key, dict]:
    """Results whose CER is in points."""
    return {
        key: r | {"test": {"cer": 100 * r["test"]["cer"]}}
        for key, r in tested.items()
        if "cer" in r["test"]
    }


def _signers(study: Study) -> list[str]:
    config = study.signers
    return [
        "## Whom it draws where signers differ",
        f"`{config.data.dataset}`, {config.train.steps} steps, a run for each `rl.group`, what a "
        "clip's quality is compared within. Most and least drawn: "
        f"{signer_tables.drawn_line(study.results('draws'))}. To compare within a text does not "
        "even draws out: of its two takes one is always below the threshold, mostly the harder "
        "signer's.",
    ]


def _demo(study: Study) -> list[str]:
    found = study.records.read("demo")
    return [
        "## The demo",
        "`configs/mlsf.py:fingerspelling`, four languages, clean clips, "
        f"{study.demo.train.steps:,} steps: {tables.demo_line(found)}. The channel costs "
        "character errors on these short words, and none on the demo's texts of 1 to 16 letters "
        "([three seeds](results.md)): there the paper's learning is the default.",
    ]


def _gradient(study: Study) -> list[str]:
    changes = tables.changes(study.results("finetune-test"))
    said = "; ".join(f"`{name}` {change}" for name, change in changes.items()) or "not run"
    sampled, more = study.sampled, next(iter(study.reader_ways.values()))["steps"]
    return [
        "## Policy gradient",
        "A gradient of the expected reward, free-running, from the demo's "
        f"{study.demo.data.languages[0]} trained on for {study.finetune_steps} steps. Change of "
        f"DTW on test, of the best ways on dev: {said}. No way was better than to stop.",
        "Over samples of a latent, with a reader's log-probability of the text as the reward: "
        f"`{sampled.data.dataset}`, {sampled.train.steps:,} steps, then {more} more; all "
        "seeds have one start. CER on test, in points, by another reader: "
        f"{signer_tables.read_line(study.results('reader'))}. This helps: latents that read well "
        "become likelier, and diversity does not fall.",
    ]


def _cost(folder: Path) -> list[str]:
    return [
        "## What it costs",
        "The channel is inside the compiled step, without a further collective. A step on a CPU, "
        f"against one without: {costs.measured_line(folder)}; TPUs are among the tables.",
    ]


def _open() -> list[str]:
    return [
        "## What is not shown",
        "- Whether these short runs of one language speak for long ones.\n"
        "- Damage of other kinds and shares.\n"
        "- Whether a model of many signers is better for an even draw.\n"
        "- Whether a reader's reward still gains at a training's end, and what it does to tempo.",
    ]


def seeds(chosen: Sequence[int]) -> str:
    """`seeds 0 to 2`."""
    return f"seeds {chosen[0]} to {chosen[-1]}"


def _figure(results: Mapping[Key, dict], docs: Path) -> None:
    titles = {"dtw": "DTW ratio to the mean pose, dev", "loss": "teacher-forced frame error, dev"}
    panels: dict[str, dict] = {title: {} for title in titles.values()}
    for name, _, own in by_setting(results):
        steps = [point["step"] for point in own[0]["curve"]]
        for key, title in titles.items():
            values = np.array([[point[key] for point in r["curve"]] for r in own])
            panels[title][name] = (steps, values)
    plot_curves(panels, docs / "replay.png")
