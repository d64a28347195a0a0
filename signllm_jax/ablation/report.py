"""The study's table, figure and page: `docs/replay.md` and `docs/replay.png`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import scipy.stats

from signllm_jax.ablation.study import DEV_SEEDS, FINETUNE_STEPS, TEST_SEEDS, Study, by_setting
from signllm_jax.errors import DataError
from signllm_jax.eval.plots import plot_curves
from signllm_jax.group import write_file

STAGES = ("early", "middle", "late", "end")


def write(study: Study, docs: Path) -> str:
    """Writes the page and the figure of what is finished.

    Returns:
        A line that says where.

    Raises:
        DataError: nothing is finished.
    """
    dev = study.results("dev")
    if not dev:
        raise DataError(f"{study.folder}: no run is finished")
    docs.mkdir(parents=True, exist_ok=True)
    _figure(dev, docs / "replay.png")
    share = study.config.data.corrupt
    best = study.chosen("dev", study.candidates(), share)
    further = study.chosen("finetune-dev", study.gradients(), 0.0)
    parts = [
        _head(study),
        "## Settings on dev",
        f"A quarter of the train clips damaged, {_seeds(DEV_SEEDS)}; mean ± standard deviation. "
        f"Chosen by the DTW ratio at the end, among the settings with the channel: **{best}**.",
        _dev_table(study, dev),
        "![DTW ratio and loss on dev over training](replay.png)",
        "## How well errors tell damaged clips from clean ones",
        "AUC over the train clips: of the final parameters' teacher-forced and free-running "
        "errors, and of what the buffer held at the end.",
        _auc_table(dev),
        "## Test, once",
        f"{_seeds(TEST_SEEDS).capitalize()}; mean and 95% interval (t) over the seeds; the "
        "difference to base is paired by seed.",
        _test_table(study.results("test")),
        "## Policy gradient",
        f"Further training of the base (clean clips) for {FINETUNE_STEPS} steps in each way. On "
        f"dev, {_seeds(DEV_SEEDS)}; chosen among those with a policy gradient: **{further}**.",
        _further_table(study.results("finetune-dev"), lambda result: result["curve"][-1]["dtw"]),
        f"On test, {_seeds(TEST_SEEDS[:3])}, once:",
        _further_table(study.results("finetune-test"), lambda result: result["test"]["dtw"]),
    ]
    page = "\n\n".join(part for part in parts if part) + "\n"
    write_file(docs / "replay.md", page.encode())
    return f"{docs / 'replay.md'}: {len(dev)} runs on dev"


def _head(study: Study) -> str:
    config = study.config
    return (
        "# Reinforcement learning: what the replay buffer does here\n\n"
        "Written by `launch/ablation.py`. Fingerspelling, "
        f"{config.data.languages[0]}, size {config.size}, {config.train.steps} steps of "
        f"{config.train.batch_size} rows in every setting; DTW is the ratio to the mean pose, "
        "free-running (0 is the real clip, 1 the mean pose). Settings are those of "
        "`configs/ablation.py`; `plc` is the paper's."
    )


def _seeds(seeds: Sequence[int]) -> str:
    return f"seeds {seeds[0]} to {seeds[-1]}"


def spread(values: Sequence[float], form: str = ".3f") -> str:
    """Mean ± standard deviation (of a sample)."""
    deviation = np.std(values, ddof=1) if len(values) > 1 else 0.0
    return f"{np.mean(values):{form}} ± {deviation:{form}}"


def interval(values: Sequence[float], form: str = ".3f") -> str:
    """Mean and 95% confidence interval by Student's t."""
    mean = np.mean(values)
    if len(values) < 2:
        return f"{mean:{form}}"
    half = scipy.stats.t.ppf(0.975, len(values) - 1) * scipy.stats.sem(values)
    return f"{mean:{form}} [{mean - half:{form}}, {mean + half:{form}}]"


def steps_to(curve: Sequence[dict], ratio: float) -> float:
    """Steps after which a curve first reaches a DTW ratio, between its points by a straight
    line; NaN when it never does."""
    before = None
    for point in curve:
        if point["dtw"] <= ratio:
            if before is None:
                return float(point["step"])
            part = (before["dtw"] - ratio) / max(before["dtw"] - point["dtw"], 1e-12)
            return before["step"] + part * (point["step"] - before["step"])
        before = point
    return float("nan")


def _stages(curve: Sequence[dict]) -> list[dict]:
    """The points of a curve nearest to a quarter, a half, three quarters and the end."""
    last = curve[-1]["step"]
    wanted = [last * part for part in (0.25, 0.5, 0.75, 1.0)]
    return [min(curve, key=lambda point: abs(point["step"] - step)) for step in wanted]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) if rows else "Not run."


def _dev_table(study: Study, results: dict) -> str:
    base = {seed: r["curve"][-1]["dtw"] for (name, _, seed), r in results.items() if name == "base"}
    rows = []
    for name, _, own in by_setting(results):
        stages = [[_stages(r["curve"])[n]["dtw"] for r in own] for n in range(4)]
        losses = [r["curve"][-1]["loss"] for r in own]
        reach = [steps_to(r["curve"], base[r["seed"]]) for r in own if r["seed"] in base]
        reached = [steps for steps in reach if np.isfinite(steps)]
        rl = ", ".join(f"{k} {v}" for k, v in study.settings[name].items()) or "-"
        rows.append(
            [
                name,
                rl,
                *(spread(values) for values in stages),
                spread(losses),
                spread([r["frames"] for r in own], ".0f"),
                f"{spread(reached, '.0f')} ({len(reached)} of {len(reach)})"
                if reached
                else "never",
            ]
        )
    head = [
        "setting",
        "config.rl",
        *(f"DTW {name}" for name in STAGES),
        "loss, end",
        "frames a step",
    ]
    return _table([*head, "steps to base's end (runs that reach it)"], rows)


def _auc_table(results: dict) -> str:
    rows = []
    for name, _, own in by_setting(results):
        for source in ("teacher_forced", "free_running", "buffer"):
            found = [r["auc"][source] for r in own if source in r.get("auc", {})]
            if found:
                values = [spread([f[kind] for f in found]) for kind in found[0]]
                rows.append([name, source.replace("_", " "), *values])
    kinds = ["all", "wrong word", "frozen hands", "heavy noise"]
    return _table(["setting", "error", *kinds], rows)


def _test_table(results: dict) -> str:
    rows = []
    base = {(c, seed): r["test"] for (name, c, seed), r in results.items() if name == "base"}
    for name, corrupt, own in sorted(by_setting(results), key=lambda item: -item[1]):
        row = [f"{corrupt:.0%}", name, str(len(own))]
        for metric, form in (("dtw", ".4f"), ("cer", ".3f"), ("hand_travel", ".3f")):
            row.append(interval([r["test"][metric] for r in own], form))
        pairs = [
            r["test"]["dtw"] - base[corrupt, r["seed"]]["dtw"]
            for r in own
            if (corrupt, r["seed"]) in base
        ]
        row.append("-" if name == "base" or not pairs else interval(pairs, "+.4f"))
        rows.append(row)
    head = ["damaged", "setting", "seeds", "DTW", "CER", "hand travel", "DTW minus base's"]
    return _table(head, rows)


def _further_table(results: dict, value) -> str:
    own = [
        [name, str(len(r)), interval([value(x) for x in r], ".4f")]
        for name, _, r in by_setting(results)
    ]
    return _table(["way", "seeds", "DTW at the end"], own)


def _figure(results: dict, path: Path) -> None:
    titles = {"dtw": "DTW ratio to the mean pose, dev", "loss": "teacher-forced frame error, dev"}
    panels: dict[str, dict] = {title: {} for title in titles.values()}
    for name, _, own in by_setting(results):
        steps = [point["step"] for point in own[0]["curve"]]
        for key, title in titles.items():
            values = np.array([[point[key] for point in r["curve"]] for r in own])
            panels[title][name] = (steps, values)
    plot_curves(panels, path)
