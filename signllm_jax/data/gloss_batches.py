"""Batches of texts and their LangGloss lines, packed in the order of `packing.MixedPlan`."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from signllm_jax.core.typing import LineBatch
from signllm_jax.corpora.gloss_corpora import Pair
from signllm_jax.data.packing import MixedPlan, Packing
from signllm_jax.text.langgloss import EOS
from signllm_jax.text.stage import TextStage


class LineData:
    """Train pairs of all languages as numbers: random access to batches by step.

    Args:
        pairs: language -> its train pairs.
        stage: tables of units and glosses.
        name: of the lane, which orders the rows.
        packing: of texts into rows; `row_tokens` is of their LangGloss tokens.
        row_units: most units of a row.
        temperature: how languages are mixed, see MixedPlan.
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
        self._units, self._lines = [], []
        for code, own in pairs.items():
            self._units += [stage.units.encode(pair.text, code) for pair in own]
            self._lines += [[*stage.write(pair.glosses, code), EOS] for pair in own]
        self.plan = MixedPlan(
            name,
            [len(line) for line in self._lines],
            [len(units) for units in self._units],
            # a plan's first limit is of what is written here, and its second of what is read
            dataclasses.replace(
                packing, row_frames=packing.row_tokens, row_tokens=row_units, patch=1
            ),
            members=[(code, len(own)) for code, own in pairs.items()],
            temperature=temperature,
        )
        self.bad: list[str] = []  # texts have no records that could be damaged
        left = len(self.plan.left_out)
        self.notes = [f"{left} train texts fit no row and are left out"] if left else []

    def batch(self, step: int, lanes: Sequence[int], rows: Sequence[int]) -> LineBatch:
        """The part of step `step`'s batch with the given row indices, of the only lane."""
        parts = [self._row(step * self._batch_size + int(row)) for row in rows]
        return LineBatch(*(np.stack(field)[None] for field in zip(*parts)))

    def _row(self, index: int) -> tuple[np.ndarray, ...]:
        units = np.zeros((self._limits[0], self._columns), np.int32)
        line = np.zeros((2, self._limits[1]), np.int32)
        segment = np.zeros(self._limits[0], np.int32)
        unit = token = 0
        for number, chosen in enumerate(self.plan.row(index), 1):
            read, written = self._units[chosen], self._lines[chosen]
            units[unit : unit + len(read)] = read
            segment[unit : unit + len(read)] = number
            line[:, token : token + len(written)] = [written, [number] * len(written)]
            unit += len(read)
            token += len(written)
        return units, segment, line[0], line[1]
