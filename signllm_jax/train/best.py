"""The best dev score of every lane, and how long it has waited for a better one."""

from collections.abc import Mapping, Sequence

from signllm_jax.core.tasks import shown_name


def start(lanes: Sequence[str]) -> dict[str, dict]:
    """A record without any score, part of what a checkpoint keeps beside the state."""
    return {"best": dict.fromkeys(lanes), "waiting": dict.fromkeys(lanes, 0)}


def note(
    record: dict, scores: Mapping[str, Mapping[str, float]], lanes: Sequence[str], lead: str
) -> list[int]:
    """Notes an evaluation in a record.

    Args:
        record: From `start`, which is changed.
        scores: Lane -> its dev metrics.
        lanes: Names of the models on the leading axis.
        lead: Name of the metric that decides; lower is better.

    Returns:
        The places of the lanes whose parameters are to be kept: they are better than all before, or
        there is nothing to compare.
    """
    better = []
    for place, lane in enumerate(lanes):
        score, best = scores[lane].get(lead), record["best"][lane]
        if score is None or best is None or score < best:
            record["best"][lane], record["waiting"][lane] = score, 0
            better.append(place)
        else:
            record["waiting"][lane] += 1
    return better


def out_of_patience(record: dict, lanes: Sequence[str], patience: int) -> list[int]:
    """The places of the lanes that have waited for `patience` evaluations; none where it is 0."""
    return [i for i, lane in enumerate(lanes) if 0 < patience <= record["waiting"][lane]]


def told(scores: Mapping[str, Mapping[str, float]], lanes: Sequence[str], lead: str) -> str:
    """An evaluation in a line."""
    found = {shown_name(lane): scores[lane].get(lead) for lane in lanes}
    shown = (
        f"{name}: no dev clips" if score is None else f"{name} {score:.3f}"
        for name, score in found.items()
    )
    return ", ".join(shown)
