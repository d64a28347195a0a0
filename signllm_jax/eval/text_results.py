"""Tables of the reports of text stages and of Prompt2LangGloss, means over seeds."""

from collections.abc import Sequence

from signllm_jax.metrics.spread import spread

PROMPTED = {
    "language": ("language right", "{:.1%}"),
    "unaided_language": ("unaided", "{:.1%}"),
    "exact": ("LangGloss right", "{:.1%}"),
    "unaided_exact": ("unaided", "{:.1%}"),
    "dtw": ("DTW / mean pose", "{:.3f}"),
    "true": ("from true LangGloss", "{:.3f}"),
    "travel": ("hand travel", "{:.3f}"),
}
"""Columns of reports of Prompt2LangGloss."""


def text_table(reports: Sequence[dict]) -> str:
    """A Markdown table of reports of text stages: BLEU-4 of each language by the kind of model.

    Models of one language alone stand beside those of several and beside ensembles; models of the
    same kind and languages are seeds. Tokens with another language's mark are summed.
    """
    kinds: dict[tuple[int, int], list[dict]] = {}
    for report in reports:
        several = len(report["text_stage"]["languages"])
        kinds.setdefault((several, len(report["run"]["ensemble"]) + 1), []).append(report)
    heads = [
        ("a model of its own" if several == 1 else f"one model of {several} languages")
        + (f", {models} averaged" if models > 1 else "")
        for several, models in kinds
    ]
    codes = list(dict.fromkeys(code for r in reports for code in r["text_stage"]["languages"]))
    lines = ["| | texts | " + " | ".join(heads) + " | tokens of another language |"]
    lines.append("|---" * (len(heads) + 3) + "|")
    for code in codes:
        cells, texts, foreign = [], 0, 0
        for of_kind in kinds.values():
            stages = (report["text_stage"]["languages"].get(code) for report in of_kind)
            found = [stage for stage in stages if stage]
            cells.append(spread([s["bleu4"] for s in found if "bleu4" in s], "{:.2f}"))
            texts = max([texts, *(stage["texts"] for stage in found)])
            foreign += sum(stage["foreign_marks"] for stage in found)
        lines.append(f"| {code} | {texts} | {' | '.join(cells)} | {foreign} |")
    return "\n".join(lines)


def text_runs(reports: Sequence[dict]) -> str:
    """A list of what the runs were: data set, seed, steps, its figures on dev and test, cost."""
    lines = ["| run | seed | steps | dev | test | CPU seconds |", "|---|---|---|---|---|---|"]
    for report in reports:
        run, stage = report["run"], report["text_stage"]
        if run["ensemble"]:
            continue
        languages = ", ".join(stage["languages"])
        (dev,) = (100 - group["dev_score"] for group in run["groups"].values())
        lines.append(
            f"| {run['dataset']}: {languages} | {run['seed']} | {run['steps']} | {dev:.2f} | "
            f"{stage.get('bleu4', float('nan')):.2f} | {run['cpu_seconds']:.0f} |"
        )
    return "\n".join(lines)


def prompt_table(reports: Sequence[dict]) -> str:
    """A Markdown table of reports of Prompt2LangGloss: languages by `PROMPTED`."""
    heads = [head for head, _ in PROMPTED.values()]
    lines = ["| | prompts | " + " | ".join(heads) + " |", "|---" * (len(heads) + 2) + "|"]
    for code in [*reports[0]["languages"], None]:
        every = [_prompted(report, code) for report in reports]
        cells = [spread([own[key] for own in every], form) for key, (_, form) in PROMPTED.items()]
        name = code or "**all**"
        lines.append(f"| {name} | {every[0]['prompts']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def spoken_line(reports: Sequence[dict]) -> str:
    """One sentence: how much of LangGloss is right in each spoken language, as used."""
    shares = (
        f"{code} {spread([r['text_stage']['spoken'][code] for r in reports], '{:.1%}')}"
        for code in reports[0]["text_stage"]["spoken"]
    )
    return f"LangGloss right by the spoken language of the prompt: {', '.join(shares)}."


def _prompted(report: dict, code: str | None) -> dict:
    """The figures of one language of a report, or of all."""
    stage, true = report["text_stage"], report["rows"]["true_langgloss"]
    alone, poses, given = stage["unaided"], report["overall"], true["overall"]
    if code:
        stage, alone = stage["languages"][code], alone["languages"][code]
        poses, given = report["languages"][code], true["languages"][code]
    return {
        "prompts": stage["prompts"],
        "language": stage["language_accuracy"],
        "unaided_language": alone["language_accuracy"],
        "exact": stage["exact_match"],
        "unaided_exact": alone["exact_match"],
        "dtw": poses["dtw_mean_pose_ratio"],
        "true": given["dtw_mean_pose_ratio"],
        "travel": poses["hand_travel_ratio"],
    }
