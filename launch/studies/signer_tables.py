"""Tables and lines of the study's runs on many signers: draws, and a reader's reward."""

from collections.abc import Mapping

import numpy as np

from launch.studies.draws import GROUPS
from launch.studies.records import Key
from launch.studies.study import by_setting
from launch.studies.tables import interval, table


def drawn(results: Mapping[Key, dict], part: str) -> str:
    """For each signer its share of the clips, and its `draws` or `below` by each `rl.group`."""
    groups = _of_groups(results)
    rows = [
        [signer, f"{share:.1%}", *(f"{own[signer][part]:.1%}" for own in groups.values())]
        for signer, share in _clips(groups).items()
    ]
    return table(["signer", "share of clips", *(f"{part}, {name}" for name in groups)], rows)


def drawn_line(results: Mapping[Key, dict]) -> str:
    """Who is drawn most and least beside their share of the clips, by each `rl.group`."""
    said = []
    for name, own in _of_groups(results).items():
        order = sorted(own, key=lambda signer: own[signer]["draws"] / own[signer]["clips"])
        (most, first), (least, last) = ((key, own[key]) for key in (order[-1], order[0]))
        said.append(
            f"by `{name}` `{most}`, {first['clips']:.1%} of the clips, {first['draws']:.1%} of the "
            f"draws, and `{least}` {last['clips']:.1%} and {last['draws']:.1%}"
        )
    return "; ".join(said) or "not run"


def _of_groups(results):
    found = {name: own[0]["signers"] for name, _, own in by_setting(results)}
    return {name: found[name] for name in GROUPS if name in found}


def _clips(groups) -> dict[str, float]:
    """Signer -> share of the clips, by the first group."""
    first = next(iter(groups.values()), {})
    return {signer: own["clips"] for signer, own in first.items()}


def read(results: Mapping[Key, dict]) -> str:
    """What a reader makes of samples before and after each way of training on."""
    rows = []
    for name, _, own in by_setting(results):
        row = [name, str(len(own))]
        for metric, form in (("cer", ".1%"), ("diversity", ".3f"), ("reward", ".3f")):
            before, after = ([r[part][metric] for r in own] for part in ("start", "test"))
            row.append(f"{np.mean(before):{form}} to {np.mean(after):{form}}")
        rows.append([*row, change(own)])
    head = ["way", "seeds", "CER", "diversity", "reward of a letter", "CER, change in points"]
    return table(head, rows)


def read_line(results: Mapping[Key, dict]) -> str:
    """The change of CER by each way, in a line."""
    said = [f"`{name}` {change(own)}" for name, _, own in by_setting(results)]
    return "; ".join(said) or "not run"


def change(own: list[dict]) -> str:
    """The change of CER on test, in points."""
    return interval([100 * (r["test"]["cer"] - r["start"]["cer"]) for r in own], "+.2f")
