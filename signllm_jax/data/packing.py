"""Which clips lie in which row of a batch: a pure function of seed, lengths and row number.

A language has an endless stream of rows of T frames, in which every clip comes once an epoch.
`config.data.plan` says how: in plan 1 the clips of each epoch are permuted and dealt first-fit. In
plan 2 they are dealt once, and an epoch is a permutation of the rows: clips that share a row share
it in every epoch, and any row is found without those before it.
"""

import dataclasses
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from signllm_jax.core.config import Config
from signllm_jax.core.errors import DataError
from signllm_jax.core.languages import stable_hash
from signllm_jax.data.row_packing import pack_rows

OPEN_ROWS = 32
"""Rows that first-fit keeps open; bounds its time on corpora of millions of clips."""


@dataclasses.dataclass(frozen=True)
class Packing:
    """How the examples of a train split are packed into the rows of batches.

    Attributes:
        row_frames, row_tokens, row_clips: most frames, tokens and examples of a row.
        patch: examples start on frames that are multiples of it.
        seed: of the order.
        batch_size: B, rows of a language in a batch.
        strata: parts of the examples, each with its own rows of a batch; divides the batch size.
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
        """That of a run, of the rows that come in the order of the data."""
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
    """Which clips each row of one language's endless stream holds.

    With `strata` the clips are dealt at random into that many parts, once for all, and this is
    the stream of part `stratum`. `beside` is the plan of another part of the same clips, with which
    it then shares their numbers.

    Attributes:
        left_out: indices of the clips that fit no row (too long, or without text).
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
        self._frames, self._tokens, self._usable, self.left_out = self._dealt
        if strata > 1:
            if len(self._usable) < strata:
                raise DataError(
                    f"{language}: {len(self._usable)} train clips for config.rl.strata = {strata}: "
                    "each needs one"
                )
            self._usable, self._seed = self._usable[stratum::strata], (*self._seed, stratum)
        if not len(self._usable):
            raise DataError(
                f"{language}: none of {len(lengths)} train clips fits a row of "
                f"{packing.row_frames} frames and {packing.row_tokens} tokens "
                "(config.data.row_frames, row_tokens)"
            )
        self._starts = [0]  # first row of each epoch met so far
        self._epochs: dict[int, Any] = {}
        self._lock = threading.Lock()  # reading threads ask for rows at the same time

    def _deal(self, lengths, tokens, patch: int, strata: int) -> tuple:
        """Sorts out the clips that fit a row, and shuffles them where there are strata.

        Returns:
            Frames of all clips int32 [n], rounded up to whole patches; tokens of all int32 [n];
            the indices of those that fit, in the order in which strata take turns; the others.
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
    def clips(self) -> np.ndarray:
        """Indices of the clips that the stream goes through in every epoch."""
        return self._usable

    @property
    def first_rows(self) -> int:
        """Rows of the first epoch."""
        with self._lock:
            return len(self._epoch(0))

    def _epoch(self, epoch: int) -> Any:
        """What `_pack` gives: the clips of every row of an epoch, in plan 2 the rows' numbers."""
        if epoch not in self._epochs:
            self._epochs[epoch] = self._pack(epoch)
            for old in [e for e in self._epochs if e < epoch - 2]:
                del self._epochs[old]
        return self._epochs[epoch]

    def _order(self, epoch: int) -> np.ndarray:
        return np.random.default_rng([*self._seed, epoch]).permutation(self._usable)

    def _pack(self, epoch: int) -> list[tuple[int, ...]]:
        order = self._order(epoch)
        closed: list[tuple[int, ...]] = []
        rows: list[tuple[list[int], list[int]]] = []  # (clips, what is left of each limit)
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

    def __init__(self, *args):
        super().__init__(*args)
        self._packed: tuple[np.ndarray, np.ndarray] | None = None
        del self._starts

    def row(self, index: int) -> tuple[int, ...]:
        """See RowPlan."""
        with self._lock:
            clips, starts = self._rows()
            epoch, place = divmod(index, len(starts) - 1)
            row = self._epoch(epoch)[place]
        return tuple(clips[starts[row] : starts[row + 1]].tolist())

    @property
    def first_rows(self) -> int:
        """Rows of an epoch."""
        with self._lock:
            return len(self._rows()[1]) - 1

    def _rows(self) -> tuple[np.ndarray, np.ndarray]:
        """The rows of every epoch, as `pack_rows` gives them; packed at the first call.

        Returns:
            Clip indices row after row int32 [n], and where rows begin and the last one ends, int32
            [rows + 1].
        """
        if self._packed is None:
            order = self._order(0)
            needs = (self._frames[order], self._tokens[order], np.ones(len(order), np.int32))
            places, starts = pack_rows(np.stack(needs, 1), self._limits)
            self._packed = order[places].astype(np.int32), starts
            del self._frames, self._tokens  # 8 bytes a clip, needed no more
            self._dealt = None
        return self._packed

    def _pack(self, epoch: int) -> np.ndarray:
        rows = len(self._rows()[1]) - 1
        return np.random.default_rng([*self._seed, epoch]).permutation(rows)


def plan_rows(language: str, lengths, tokens, packing: Packing, *strata) -> RowPlan:
    """The rows of a language as `packing.plan` says; arguments and errors as of RowPlan."""
    kind = {1: RowPlan, 2: FixedPlan}[packing.plan]
    return kind(language, lengths, tokens, packing, *strata)


class MixedPlan(RowPlan):
    """Rows of several languages' examples together, languages mixed with p ~ n^(1 / temperature).

    An epoch has as many examples as there are; a language's share of it goes on through that
    language's own permutations, so that each of its examples comes equally often.

    Args:
        members: name and number of examples of every language, whose examples lie one language
            after the other.
        temperature: 1 = every example alike, large = every language alike.
    """

    def __init__(
        self,
        name: str,
        lengths: Sequence[int],
        tokens: Sequence[int],
        packing: Packing,
        stratum: int = 0,
        beside: RowPlan | None = None,
        *,
        members: Sequence[tuple[str, int]],
        temperature: float,
    ):
        super().__init__(name, lengths, tokens, packing, stratum, beside)
        ends = np.cumsum([count for _, count in members])
        parts = [
            (code, self._usable[(self._usable >= end - count) & (self._usable < end)])
            for (code, count), end in zip(members, ends)
        ]
        self._parts = [(code, part) for code, part in parts if len(part)]
        weights = np.array([len(part) for _, part in self._parts]) ** (1 / temperature)
        shares = len(self._usable) * weights / weights.sum()
        self._shares = np.maximum(1, np.round(shares)).astype(int)

    def _order(self, epoch: int) -> np.ndarray:
        chosen = []
        for (code, part), share in zip(self._parts, self._shares):
            own = (self._seed[0], stable_hash(code))
            places = np.arange(epoch * share, (epoch + 1) * share)
            rounds = {
                r: np.random.default_rng([*own, r]).permutation(part)
                for r in range(places[0] // len(part), places[-1] // len(part) + 1)
            }
            chosen += [rounds[p // len(part)][p % len(part)] for p in places.tolist()]
        return np.random.default_rng([*self._seed, epoch]).permutation(chosen)
