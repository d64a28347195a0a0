"""Batches of texts and their LangGloss lines, in the order of `packing.MixedPlan`."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from signllm_jax.core.typing import LineBatch
from signllm_jax.corpora.gloss_corpora import Pair
from signllm_jax.data.packing import MixedPlan, Packing
from signllm_jax.text.langgloss import EOS
from signllm_jax.text.stage import TextStage


def pack_lines(
    pairs: Iterable[tuple[np.ndarray, Sequence[int]]], limits: tuple[int, int], columns: int
) -> LineBatch:
    """Packs texts and their lines into a row, up to the first pair that does not fit.

    Args:
        pairs: Units int32 [n, columns] of each text, and the tokens of its line.
        limits: Number of units and of tokens per row.
        columns: Numbers per unit.

    Returns:
        The row, without the leading axes [L, B].
    """
    units, segment = np.zeros((limits[0], columns), np.int32), np.zeros(limits[0], np.int32)
    line = np.zeros((2, limits[1]), np.int32)  # tokens and their segment
    unit = token = 0
    for number, (read, written) in enumerate(pairs, 1):
        next_unit, next_token = unit + len(read), token + len(written)
        if next_unit > limits[0] or next_token > limits[1]:
            break
        units[unit:next_unit] = read
        segment[unit:next_unit] = number
        line[:, token:next_token] = [written, [number] * len(written)]
        unit, token = next_unit, next_token
    return LineBatch(units, segment, *line)


def stack_rows(rows: Iterable[LineBatch]) -> LineBatch:
    """The batch [1, B, ...] of the rows of the only lane."""
    return LineBatch(*(np.stack(field)[None] for field in zip(*rows)))


class LineData:
    """Train pairs of all languages as arrays: random access to batches by step.

    Args:
        pairs: Language -> its train pairs.
        stage: Tables of units and glosses.
        packing: How texts are packed into rows; `row_tokens` counts LangGloss tokens.
        name: Name of the lane, from which the order of rows is drawn.
        row_units: Largest number of units per row.
        temperature: How languages are mixed, see MixedPlan.
    """

    def __init__(
        self,
        pairs: Mapping[str, Sequence[Pair]],
        stage: TextStage,
        packing: Packing,
        *,
        name: str,
        row_units: int,
        temperature: float,
    ):
        self._limits = (row_units, packing.row_tokens)
        self._columns, self._batch_size = stage.units.columns, packing.batch_size
        self._pairs = [
            (stage.units.encode(pair.text, code), [*stage.write(pair.glosses, code), EOS])
            for code, listed in pairs.items()
            for pair in listed
        ]
        self.plan = MixedPlan(
            name,
            [len(line) for _, line in self._pairs],
            [len(units) for units, _ in self._pairs],
            # the plan's frames are the written tokens here, and its tokens the units read
            dataclasses.replace(
                packing, row_frames=packing.row_tokens, row_tokens=row_units, patch=1
            ),
            members=[(code, len(listed)) for code, listed in pairs.items()],
            temperature=temperature,
        )
        self.bad: list[str] = []  # there are no records of texts that could be damaged
        left = len(self.plan.left_out)
        self.notes = [f"{left} train texts fit no row and are left out"] if left else []

    def batch(self, step: int, lanes: Sequence[int], rows: Sequence[int]) -> LineBatch:
        """The part of step `step`'s batch with the given row indices, of the only lane."""
        chosen = (self.plan.row(step * self._batch_size + int(row)) for row in rows)
        pairs = ([self._pairs[i] for i in indices] for indices in chosen)
        return stack_rows(pack_lines(row, self._limits, self._columns) for row in pairs)
