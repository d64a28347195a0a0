"""Warnings: the facts that a reader of a report has to know first."""

import collections
from collections.abc import Mapping, Sequence

from signllm_jax.core.config import Config
from signllm_jax.corpora.published import has_signers, is_spelled
from signllm_jax.eval.eval_set import Language
from signllm_jax.eval.peers import Peer
from signllm_jax.eval.predictions import ENDLESS, Predictions
from signllm_jax.metrics.motion import (
    AVERAGED,
    HIDDEN,
    JERKY,
    LONG,
    MIXED_CLIPS,
    ONE_MODE,
    OTHER_HAND,
    RESTLESS,
)
from signllm_jax.metrics.text_metrics import SHORT
from signllm_jax.poses.plausible import oddities

_BY_THEMSELVES = {"ground_truth": "real clips", "produced": "productions", "peer": "peer's clips"}
"""Rows whose clips are checked one by one -> their name in a sentence."""


def of_clips(
    config: Config,
    evaluators: Sequence[Mapping],
    metrics: Mapping[str, Mapping[str, float]],
    skipped: Mapping[str, str],
    predictions: Predictions | None = None,
    peer: Peer | None = None,
) -> list[str]:
    """The facts that a reader of the figures has to know first.

    Args:
        config: Config of the run.
        evaluators: Section of the report about each back-translation reader.
        metrics: Language -> flat metrics, '' = overall.
        skipped: Language without a clip -> reason.
        predictions: Another system's predictions, where they take the place of productions.
        peer: Another system that has a row.
    """
    lines = []
    if predictions is not None:
        lines.append(
            f"The productions here are the predictions of {predictions.path}, not of this run's "
            "model; whether they saw a reference is not known here."
        )
        if predictions.flat:
            lines.append(
                "The predictions have no depth, or MediaPipe's in a unit of its own, or other "
                "joints than the references. Both sides and the mean pose are compared in x and "
                "y, on the 50 joints of OpenPose, in shoulder widths of x and y: not comparable "
                "with figures of clips that have depth. The run's own model has depth, hence no "
                "row here: score its .pose files, which --export writes, by a report of their own."
            )
        if predictions.seconds:
            lines.append(
                f"{len(predictions.seconds)} predictions last over {ENDLESS:g} times as long as "
                "the longest reference, as if they had no end: they are cut before they are read, "
                "and left out of DTW and all other distances."
            )
        if excluded := metrics[""].get("excluded"):
            lines.append(
                f"{excluded} references are excluded, most for want of a usable prediction: "
                "compare only with figures on the same clips."
            )
        if predictions.unknown:
            named = ", ".join(predictions.unknown[:5])
            lines.append(f"{len(predictions.unknown)} predictions have no reference: {named}.")
        repairs = predictions.repairs.items()
        lines += [f"Repaired while the predictions were read: {n} {what}." for what, n in repairs]
    if peer is not None:
        lines.append(
            f"The row of {peer.name} is signed from the same texts. All rows are compared in x and "
            "y, in shoulder widths of x and y, since its depth is another one: not comparable with "
            "figures of reports without it."
        )
        failed = peer.failed.most_common()
        lines += [f"{peer.name} has no clip of {count} texts: {why}." for why, count in failed]
    overall = motion(metrics[""])
    lines += overall.values()
    for code, values in metrics.items():
        kinds = motion(values) if code else {}
        lines += [f"In {code}: {line}" for kind, line in kinds.items() if kind not in overall]
    if not evaluators:
        lines.append(
            "No back-translation: train readers by configs/back_translation.py and name them "
            "(--evaluators=DIR,DIR)."
        )
    elif len({evaluator["seed"] for evaluator in evaluators}) < 2:
        lines.append(
            "One evaluator only: error rates depend on the reader. Evaluate with two readers of "
            "different seeds or more (--readers=2, or --evaluators=DIR,DIR) before you compare "
            "systems."
        )
    lines += [memorised(evaluator) for evaluator in evaluators if evaluator["memorised"]]
    if metrics[""].get("cut_off") and predictions is None:
        lines.append(f"{metrics['']['cut_off']} productions did not end by themselves.")
    lines += of_skipped(skipped)
    if is_spelled(config.data.dataset) and not has_signers(config.data.dataset):
        lines.append(
            "There is one recording of each letter: what can be learnt here is to compose letters "
            "to words, not how signers differ. A reference's letters are those of the train clips."
        )
    return lines


def motion(metrics: Mapping[str, float]) -> dict[str, str]:
    """Faults in how productions move, compared with the real clips: kind -> sentence.

    Args:
        metrics: Flat metrics; an absent metric raises no warning.
    """
    travel, jerk = metrics.get("hand_travel_ratio", 1.0), metrics.get("jerk_ratio", 1.0)
    duration, missing = metrics.get("duration_ratio", 1.0), metrics.get("joints_missing", 0.0)
    speed, varied = metrics.get("smooth_speed_ratio", 1.0), metrics.get("diversity_ratio", 1.0)
    mixed, left = metrics.get("mixed_hands", 0.0), metrics.get("left_handed", 0.0)
    real_left = metrics.get("left_handed_real", left)
    chance = 1.5 / max(metrics.get("one_handed", 1), 1) ** 0.5  # three deviations of a share
    checks = {
        "collapse": (
            metrics.get("collapse", False),
            "Collapse: the hands travel less than half as far as in the real clips.",
        ),
        "travel": (
            travel > RESTLESS,
            f"Restless: the hands travel {travel:.1f} times as far as in the real clips.",
        ),
        "jerk": (
            jerk > JERKY,
            f"Restless: the hands' jerk is {jerk:.1f} times that of real clips.",
        ),
        "duration": (
            not 1 / LONG <= duration <= LONG,
            f"Tempo: productions last {duration:.2f} times as long as the real clips.",
        ),
        "missing": (
            missing > HIDDEN,
            f"Hidden: productions lack {missing:.0%} of the joints that the real clips show; "
            "distances do not count these.",
        ),
        "averaged": (
            speed < AVERAGED,
            f"Averaged: the hands are {speed:.2f} times as fast as in real takes, jitter taken "
            "away; a mean over signers or takes is slower than any of them.",
        ),
        "one_mode": (
            varied < ONE_MODE,
            f"One mode: productions of a text differ {varied:.2f} times as much as its takes do.",
        ),
        "mixed": (
            mixed > MIXED_CLIPS,
            f"Wrong hand: {mixed:.1%} of the productions of one-handed texts change hands.",
        ),
        "other_hand": (
            abs(left - real_left) > max(OTHER_HAND, chance),
            f"Wrong hand: {left:.1%} of the productions of one-handed texts are left-handed, of "
            f"the real takes {real_left:.1%}.",
        ),
    }
    return {kind: line for kind, (wrong, line) in checks.items() if wrong}


def of_odd_clips(languages: Mapping[str, Language], spelled: bool) -> list[str]:
    """Oddities of single clips, by bounds that no signer leaves.

    Args:
        languages: Language -> its rows of clips.
        spelled: Whether texts are spelled, so that the duration of a word is not checked.
    """
    lines = []
    for row, what in _BY_THEMSELVES.items():
        odd, count = collections.defaultdict(list), 0
        for language in languages.values():
            clips = language.rows.get(row, ())
            for name, text, clip in zip(language.names, language.texts, clips):
                if clip is not None and len(clip):
                    count += 1
                    for kind, detail in oddities(clip, "" if spelled else text):
                        odd[kind].append(f"{name}: {detail}")
        lines += [
            f"Odd: {len(clips)} of {count} {what} have {kind} (the first is {clips[0]})."
            for kind, clips in odd.items()
        ]
    return lines


def of_skipped(skipped: Mapping[str, str]) -> list[str]:
    """The warnings of the languages that are left out."""
    return [f"{code} is skipped: {why}." for code, why in skipped.items()]


def of_short_lines(rows: Mapping[str, Mapping[str, Mapping]]) -> list[str]:
    """The warning that BLEU-4 is absent, with the languages that have no line of four words.

    Args:
        rows: Row -> language code, or '' for all -> flat metrics.
    """
    short = dict.fromkeys(
        code or "all languages"
        for table in rows.values()
        for code, metrics in table.items()
        for end in ("", "_real")
        if f"bleu1{end}" in metrics and f"bleu4{end}" not in metrics
    )
    return [f"BLEU-4 has no meaning for {', '.join(short)}: {SHORT}."] if short else []


def memorised(evaluator: Mapping) -> str:
    """The warning that an evaluator has memorized."""
    name = evaluator["memorised_by"]
    return (
        f"The reader of seed {evaluator['seed']} has memorised its train clips: {name.upper()} "
        f"{evaluator[f'{name}_train']:.1%} on those, {evaluator[f'{name}_real']:.1%} on real clips "
        "of this split."
    )
