"""Packs clips into the rows of batches: a pure function of seed, lengths and row number.

A language has an endless stream of rows of T frames, in which every clip comes once per epoch. In
plan 1 (`config.data.plan`), the clips of each epoch are permuted and packed first-fit. In plan 2,
they are packed once and an epoch is a permutation of the rows: clips that share a row share it in
every epoch, and any row can be computed without the previous ones.
"""

import dataclasses
import functools
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from signllm_jax.core.config import Config
from signllm_jax.core.errors import DataError
from signllm_jax.core.languages import stable_hash
from signllm_jax.data.row_packing import pack_rows

OPEN_ROWS = 32
"""Number of rows that first-fit keeps open; bounds its time on corpora of millions of clips."""


@dataclasses.dataclass(frozen=True)
class Packing:
    """How the examples of a train split are packed into the rows of batches.

    Attributes:
        row_frames: Largest number of frames per row.
        row_tokens: Largest number of tokens per row.
        row_clips: Largest number of examples per row.
        patch: Examples start at frames that are multiples of it.
        seed: Seed of the order.
        batch_size: B, rows of a language per batch.
        strata: Number of parts of the examples, each with its own rows of a batch; a divisor of B.
        plan: 1 or 2, see above.
    """

    row_frames: int
    row_tokens: int
    row_clips: int
    patch: int = 1
    seed: int = 0
    batch_size: int = 1
    strata: int = 1
    plan: int = 1

    @classmethod
    def of(cls, config: Config) -> "Packing":
        """The packing of a run, without the rows that are drawn by priority."""
        return cls(
            config.data.row_frames,
            config.data.row_tokens,
            config.data.row_clips,
            config.model.patch,
            config.train.seed,
            config.batch_rows[0],
            config.rl.strata if config.rl.plc else 1,
            config.data.plan,
        )


class RowPlan:
    """The clips of each row in the endless stream of one language.

    With several `strata`, the clips are split at random into that many parts, the same ones in all
    epochs. This is then the plan of part `stratum`. It shares arrays with `beside`, the plan of
    another part of the same clips.

    Attributes:
        clips: Indices of the clips that come in every epoch.
        left_out: Indices of the clips that fit no row (too long, or without text).
    """

    def __init__(
        self,
        language: str,
        lengths: Sequence[int],
        tokens: Sequence[int],
        packing: Packing,
        stratum: int = 0,
        beside: "RowPlan | None" = None,
    ):
        strata = packing.strata
        self._limits = (packing.row_frames, packing.row_tokens, packing.row_clips)
        self._seed = (packing.seed, stable_hash(language))
        self._dealt = beside._dealt if beside else None
        if self._dealt is None:
            self._dealt = self._deal(lengths, tokens, packing.patch, strata)
        self._frames, self._tokens, self.clips, self.left_out = self._dealt
        if strata > 1:
            if len(self.clips) < strata:
                raise DataError(
                    f"{language}: {len(self.clips)} train clips for config.rl.strata = {strata}: "
                    "each needs one"
                )
            self.clips, self._seed = self.clips[stratum::strata], (*self._seed, stratum)
        if not len(self.clips):
            raise DataError(
                f"{language}: none of {len(lengths)} train clips fits a row of "
                f"{packing.row_frames} frames and {packing.row_tokens} tokens "
                "(config.data.row_frames, row_tokens)"
            )
        self._starts = [0]  # first row of each known epoch
        self._epoch = functools.lru_cache(maxsize=3)(self._pack)
        self._lock = threading.Lock()  # reading threads ask for rows at the same time

    def _deal(self, lengths, tokens, patch: int, strata: int) -> tuple:
        """Selects the clips that fit a row, and shuffles them if there are several strata.

        Returns:
            Frames of all clips int32 [n], rounded up to whole patches; tokens of all clips int32
            [n]; indices of the clips that fit, which the strata take in turns; the other indices.
        """
        frames, tokens = (np.asarray(column, np.int32) for column in (lengths, tokens))
        frames = -(-frames // patch) * patch
        most_frames, most_tokens, _ = self._limits
        fits = (frames > 0) & (frames <= most_frames) & (tokens > 0) & (tokens <= most_tokens)
        usable = np.flatnonzero(fits)
        if strata > 1:
            usable = np.random.default_rng([*self._seed, strata]).permutation(usable)
        return frames, tokens, usable, np.flatnonzero(~fits).tolist()

    def row(self, index: int) -> tuple[int, ...]:
        """Indices of the clips that row `index` of the stream packs, in order."""
        with self._lock:
            while self._starts[-1] <= index:
                self._starts.append(self._starts[-1] + len(self._epoch(len(self._starts) - 1)))
            epoch = int(np.searchsorted(self._starts, index, side="right")) - 1
            return self._epoch(epoch)[index - self._starts[epoch]]

    @property
    def first_rows(self) -> int:
        """Number of rows in the first epoch."""
        with self._lock:
            return len(self._epoch(0))

    def _order(self, epoch: int) -> np.ndarray:
        return np.random.default_rng([*self._seed, epoch]).permutation(self.clips)

    def _pack(self, epoch: int) -> Any:
        """The clips of every row of an epoch; in plan 2, the numbers of its rows in order."""
        order = self._order(epoch)
        closed: list[tuple[int, ...]] = []
        rows: list[tuple[list[int], list[int]]] = []  # (clips, room left of each limit)
        needs = (order, self._frames[order], self._tokens[order])
        for clip, *need in zip(*(column.tolist() for column in needs)):
            need.append(1)
            for clips, left in rows:  # noqa: B007 (used after the break)
                if all(n <= x for n, x in zip(need, left)):
                    break
            else:
                if len(rows) == OPEN_ROWS:
                    closed.append(tuple(rows.pop(0)[0]))
                clips, left = [], list(self._limits)
                rows.append((clips, left))
            clips.append(clip)
            left[:] = [x - n for n, x in zip(need, left)]
        return closed + [tuple(clips) for clips, _ in rows]


class FixedPlan(RowPlan):
    """The rows of plan 2; see RowPlan for arguments and attributes."""

    def row(self, index: int) -> tuple[int, ...]:
        """See RowPlan."""
        with self._lock:
            clips, starts = self._rows
            epoch, number = divmod(index, len(starts) - 1)
            row = self._epoch(epoch)[number]
        return tuple(clips[starts[row] : starts[row + 1]].tolist())

    @functools.cached_property
    def _rows(self) -> tuple[np.ndarray, np.ndarray]:
        """The rows of every epoch, packed at the first access.

        Returns:
            Clip indices int32 [n], row after row, and the start of each row and the end of the last
            one, int32 [rows + 1].
        """
        order = self._order(0)
        needs = (self._frames[order], self._tokens[order], np.ones(len(order), np.int32))
        indices, starts = pack_rows(np.stack(needs, 1), self._limits)
        del self._frames, self._tokens  # 8 bytes per clip, no longer needed
        self._dealt = None
        return order[indices].astype(np.int32), starts

    def _pack(self, epoch: int) -> np.ndarray:
        return np.random.default_rng([*self._seed, epoch]).permutation(len(self._rows[1]) - 1)


def plan_rows(language: str, lengths, tokens, packing: Packing, *strata) -> RowPlan:
    """The rows of a language in plan `packing.plan`; arguments and errors as for RowPlan."""
    kind = {1: RowPlan, 2: FixedPlan}[packing.plan]
    return kind(language, lengths, tokens, packing, *strata)


class MixedPlan(RowPlan):
    """Rows with examples of several languages, mixed with p ~ n^(1 / temperature).

    An epoch has as many examples as there are. Each language takes its share of them from its own
    stream of permutations, so that all of its examples come equally often.

    Args:
        args: Arguments of RowPlan.
        members: Name and number of examples of every language, in the order of the examples.
        temperature: 1 = all examples are equally frequent; large = all languages are.
    """

    def __init__(self, *args, members: Sequence[tuple[str, int]], temperature: float):
        super().__init__(*args)
        ends = np.cumsum([count for _, count in members])
        parts = [
            (code, self.clips[(self.clips >= end - count) & (self.clips < end)])
            for (code, count), end in zip(members, ends)
        ]
        self._parts = [(code, part) for code, part in parts if len(part)]
        weights = np.array([len(part) for _, part in self._parts]) ** (1 / temperature)
        shares = len(self.clips) * weights / weights.sum()
        self._shares = np.maximum(1, np.round(shares)).astype(int)

    def _order(self, epoch: int) -> np.ndarray:
        chosen = []
        for (code, part), share in zip(self._parts, self._shares):
            first, last = epoch * share, (epoch + 1) * share
            rounds = range(first // len(part), (last - 1) // len(part) + 1)
            seeds = ((self._seed[0], stable_hash(code), number) for number in rounds)
            stream = [np.random.default_rng(seed).permutation(part) for seed in seeds]
            chosen.append(np.concatenate(stream)[first - rounds[0] * len(part) :][:share])
        return np.random.default_rng([*self._seed, epoch]).permutation(np.concatenate(chosen))
