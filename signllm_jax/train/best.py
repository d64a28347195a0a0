"""The best dev score of every lane, and the number of evaluations since it improved."""

from collections.abc import Mapping, Sequence

from signllm_jax.core.tasks import shown_name


def start(lanes: Sequence[str]) -> dict[str, dict]:
    """An empty record of scores, which a checkpoint saves next to the train state."""
    return {"best": dict.fromkeys(lanes), "waiting": dict.fromkeys(lanes, 0)}


def update(
    record: dict, scores: Mapping[str, Mapping[str, float]], lanes: Sequence[str], lead: str
) -> list[int]:
    """Adds an evaluation to the record.

    Args:
        record: Record from `start`; changed in place.
        scores: Lane -> its dev metrics.
        lanes: Names of the models on the leading axis.
        lead: Name of the metric that selects the best parameters; lower is better.

    Returns:
        Indices of the lanes whose parameters should be kept: those with a new best score, and those
        without a score to compare.
    """
    better = []
    for index, lane in enumerate(lanes):
        score, best = scores[lane].get(lead), record["best"][lane]
        if score is None or best is None or score < best:
            record["best"][lane], record["waiting"][lane] = score, 0
            better.append(index)
        else:
            record["waiting"][lane] += 1
    return better


def out_of_patience(record: dict, lanes: Sequence[str], patience: int) -> list[int]:
    """Indices of the lanes without a better score for `patience` evaluations; none if it is 0."""
    return [i for i, lane in enumerate(lanes) if 0 < patience <= record["waiting"][lane]]


def describe(scores: Mapping[str, Mapping[str, float]], lanes: Sequence[str], lead: str) -> str:
    """The scores of an evaluation as one line of text."""
    leads = {shown_name(lane): scores[lane].get(lead) for lane in lanes}
    shown = (
        f"{name}: no dev clips" if score is None else f"{name} {score:.3f}"
        for name, score in leads.items()
    )
    return ", ".join(shown)
