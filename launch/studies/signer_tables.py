"""Tables and lines of the study's runs on many signers: the draws, and a reader's reward."""

from collections.abc import Mapping

import numpy as np

from launch.studies.draws import GROUPS
from launch.studies.records import Key
from launch.studies.study import by_setting
from launch.studies.tables import interval, table


def drawn(results: Mapping[Key, dict], part: str) -> str:
    """Each signer's share of the clips, and its `draws` or `below` under each `rl.group`."""
    groups = _by_group(results)
    rows = [
        [signer, f"{shares['clips']:.1%}", *(f"{g[signer][part]:.1%}" for g in groups.values())]
        for signer, shares in next(iter(groups.values()), {}).items()
    ]
    return table(["signer", "share of clips", *(f"{part}, {name}" for name in groups)], rows)


def drawn_line(results: Mapping[Key, dict]) -> str:
    """The signers drawn most and least for their share of the clips, under each `rl.group`."""
    texts = []
    for name, signers in _by_group(results).items():
        order = sorted(signers.items(), key=lambda item: item[1]["draws"] / item[1]["clips"])
        (least, last), (most, first) = order[0], order[-1]
        texts.append(
            f"by `{name}` `{most}`, {first['clips']:.1%} of the clips, {first['draws']:.1%} of the "
            f"draws, and `{least}` {last['clips']:.1%} and {last['draws']:.1%}"
        )
    return "; ".join(texts) or "not run"


def _by_group(results: Mapping[Key, dict]) -> dict[str, dict]:
    """`rl.group` -> signer -> shares, in the order of GROUPS."""
    signers = {name: runs[0]["signers"] for name, _, runs in by_setting(results)}
    return {name: signers[name] for name in GROUPS if name in signers}


def read(results: Mapping[Key, dict]) -> str:
    """The reader's figures of samples before and after each way of further training."""
    rows = []
    for name, _, runs in by_setting(results):
        row = [name, str(len(runs))]
        for metric, form in (("cer", ".1%"), ("diversity", ".3f"), ("reward", ".3f")):
            before, after = (np.mean([r[part][metric] for r in runs]) for part in ("start", "test"))
            row.append(f"{before:{form}} to {after:{form}}")
        rows.append([*row, change(runs)])
    head = ["way", "seeds", "CER", "diversity", "reward of a letter", "CER, change in points"]
    return table(head, rows)


def read_line(results: Mapping[Key, dict]) -> str:
    """The change of CER by each way of further training, in a line."""
    texts = [f"`{name}` {change(runs)}" for name, _, runs in by_setting(results)]
    return "; ".join(texts) or "not run"


def change(runs: list[dict]) -> str:
    """The change of CER on test, in percentage points."""
    return interval([100 * (r["test"]["cer"] - r["start"]["cer"]) for r in runs], "+.2f")
