"""What a reader of a report has to know first."""

from collections.abc import Mapping, Sequence

from signllm_jax.core.config import Config
from signllm_jax.eval.peers import Peer
from signllm_jax.eval.predictions import ENDLESS, Predictions


def warnings(
    config: Config,
    evaluators: Sequence[Mapping],
    metrics: Mapping[str, Mapping[str, float]],
    skipped: Mapping[str, str],
    predictions: Predictions | None = None,
    peer: Peer | None = None,
) -> list[str]:
    """What a reader of the figures has to know first.

    Args:
        config: of the run.
        evaluators: what the report says about each back-translation reader.
        metrics: language -> flat metrics, '' = overall.
        skipped: languages without a clip.
        predictions: another system's, where they stand in the place of productions.
        peer: another system that has a row.
    """
    found = []
    if predictions is not None:
        found.append(
            f"What is called produced here are the predictions of {predictions.path}, not of this "
            "run's model; whether they saw a reference is not known here."
        )
        if predictions.flat:
            found.append(
                "The predictions have no depth or other joints than the references. Both sides and "
                "the mean pose are compared in x and y, on the 50 joints of OpenPose, in shoulder "
                "widths of x and y: not comparable with figures of clips that have depth."
            )
        if predictions.seconds:
            found.append(
                f"{len(predictions.seconds)} predictions last over {ENDLESS:g} times as long as "
                "the longest reference, as if they had no end: they are cut before they are read, "
                "and left out of DTW and all other distances."
            )
        left_out = metrics[""].get("excluded")
        if left_out:
            found.append(
                f"{left_out} references are excluded, most for want of a usable prediction: "
                "compare only with figures on the same clips."
            )
        if predictions.unknown:
            named = ", ".join(predictions.unknown[:5])
            found.append(f"{len(predictions.unknown)} predictions have no reference: {named}.")
        for reason, count in predictions.repairs.items():
            found.append(f"Repaired while the predictions were read: {count} {reason}.")
    if peer is not None:
        found.append(
            f"The row of {peer.name} is signed from the same texts. All rows are compared in x and "
            "y, in shoulder widths of x and y, since its depth is another one: not comparable with "
            "figures of reports without it."
        )
        for reason, count in peer.failed.most_common(3):
            found.append(f"{peer.name} has no clip of {count} texts: {reason}.")
    if metrics[""].get("collapse"):
        found.append("Collapse: the hands travel less than half as far as in the real clips.")
    for code, values in metrics.items():
        if code and values.get("collapse") and not metrics[""].get("collapse"):
            found.append(
                f"Collapse in {code}: the hands travel less than half as far as they should."
            )
    if not evaluators:
        found.append(
            "No back-translation: train readers by configs/back_translation.py and name them "
            "(--evaluators=DIR,DIR)."
        )
    elif len({each["seed"] for each in evaluators}) < 2:
        found.append(
            "One evaluator only: error rates depend on the reader. Evaluate with two readers of "
            "different seeds or more (--readers=2, or --evaluators=DIR,DIR) before you compare "
            "systems."
        )
    for each in evaluators:
        if each["memorised"]:
            found.append(memorised(each))
    if metrics[""].get("cut_off") and predictions is None:
        found.append(f"{metrics['']['cut_off']} productions did not end by themselves.")
    found += [f"{code} is skipped: {why}." for code, why in skipped.items()]
    if config.data.dataset == "fingerspelling":
        found.append(
            "There is one recording of each letter: what can be learnt here is to compose letters "
            "to words, not how signers differ. A reference's letters are those of the train clips."
        )
    return found


def memorised(evaluator: Mapping) -> str:
    """The warning that an evaluator has memorised."""
    name = evaluator["memorised_by"]
    return (
        f"The reader of seed {evaluator['seed']} has memorised its train clips: {name.upper()} "
        f"{evaluator[f'{name}_train']:.1%} on those, {evaluator[f'{name}_real']:.1%} on real clips "
        "of this split."
    )
