"""Batches for the train step: their order is a pure function of seed, lengths and step.

For each language and epoch the clips are permuted and dealt first-fit into rows of T frames;
step s of a language takes the rows s * B to (s + 1) * B of that endless stream. The iterator's
whole state is thus the step: resuming, other hosts and other meshes follow from it.
"""

import math
import threading
from collections.abc import Iterator, Sequence

import grain.python as grain
import numpy as np

from signllm_jax.config import Config
from signllm_jax.data.source import Source
from signllm_jax.data.transforms import Statistics, make_frames
from signllm_jax.errors import ConfigError, DataError
from signllm_jax.languages import stable_hash
from signllm_jax.text.tokenizer import Tokenizer
from signllm_jax.typing import Batch

OPEN_ROWS = 32
"""Rows that first-fit keeps open; bounds its time on corpora of millions of clips."""


class RowPlan:
    """Which clips each row of one language's endless stream holds.

    With `strata` the clips are dealt at random into that many parts, once for all, and this is
    the stream of part `stratum`.

    Attributes:
        left_out: indices of the clips that fit no row (too long, or without text).
    """

    def __init__(
        self,
        language: str,
        lengths: Sequence[int],
        tokens: Sequence[int],
        *,
        seed: int,
        row_frames: int,
        row_tokens: int,
        row_clips: int,
        patch: int,
        strata: int = 1,
        stratum: int = 0,
    ):
        frames = [math.ceil(n / patch) * patch for n in lengths]
        fits = [0 < f <= row_frames and 0 < t <= row_tokens for f, t in zip(frames, tokens)]
        self.left_out = [index for index, fit in enumerate(fits) if not fit]
        self._seed = (seed, stable_hash(language))
        self._usable = np.flatnonzero(fits)
        if strata > 1:
            if len(self._usable) < strata:
                raise DataError(
                    f"{language}: {len(self._usable)} train clips for config.rl.strata = {strata}: "
                    "each needs one"
                )
            dealt = np.random.default_rng([*self._seed, strata]).permutation(self._usable)
            self._usable, self._seed = dealt[stratum::strata], (*self._seed, stratum)
        if not len(self._usable):
            raise DataError(
                f"{language}: none of {len(lengths)} train clips fits a row of {row_frames} frames "
                f"and {row_tokens} tokens (config.data.row_frames, row_tokens)"
            )
        self._frames, self._tokens = frames, list(tokens)
        self._limits = (row_frames, row_tokens, row_clips)
        self._starts = [0]  # first row of each epoch met so far
        self._epochs: dict[int, list[tuple[int, ...]]] = {}
        self._lock = threading.Lock()  # reading threads ask for rows at the same time

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

    def _epoch(self, epoch: int) -> list[tuple[int, ...]]:
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
        for clip in order.tolist():
            need = (self._frames[clip], self._tokens[clip], 1)
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
        *,
        members: Sequence[tuple[str, int]],
        temperature: float,
        **limits,
    ):
        super().__init__(name, lengths, tokens, **limits)
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


class TrainData:
    """The train split of all languages as numbers: random access to batches by step.

    Args:
        sources: one train split a language.
        tokenizers: one a language.
        statistics: one a language.
        batch_size: B.
        seed: of the order.
        row_frames, row_tokens, row_clips: limits of a row.
        patch: clips start on multiples of it.
        cache_mb: how many megabytes of standardised clips are kept.
        glosses: one list a language with the gloss ids of each of its clips; None = no gloss.
        row_glosses: G, the most glosses of a clip; a clip with more has none in its Batch.
        strata: parts of the clips, each with its own rows of a batch; divides the batch size.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        tokenizers: Sequence[Tokenizer],
        statistics: Sequence[Statistics],
        *,
        batch_size: int,
        seed: int,
        row_frames: int,
        row_tokens: int,
        row_clips: int,
        patch: int,
        cache_mb: int,
        glosses: Sequence[Sequence[Sequence[int]]] | None = None,
        row_glosses: int = 0,
        strata: int = 1,
    ):
        self._glosses, self._row_glosses = glosses, row_glosses
        self._sources, self._statistics = sources, statistics
        self._limits = (row_frames, row_tokens, row_clips)
        self._own_rows, self._patch = batch_size // strata, patch
        self._room = cache_mb << 20
        self._cache: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = {}
        self._ids = [
            [tokenizer.encode(text) for text in source.texts]
            for source, tokenizer in zip(sources, tokenizers)
        ]
        self.plans = [
            [
                self._plan(
                    source,
                    source.lengths.tolist(),
                    [len(tokens) for tokens in ids],
                    seed=seed,
                    row_frames=row_frames,
                    row_tokens=row_tokens,
                    row_clips=row_clips,
                    patch=patch,
                    strata=strata,
                    stratum=stratum,
                )
                for stratum in range(strata)
            ]
            for source, ids in zip(sources, self._ids)
        ]
        self.notes = [
            f"{source.language}: {len(plan[0].left_out)} train clips fit no row and are left out"
            for source, plan in zip(sources, self.plans)
            if plan[0].left_out
        ]

    def _plan(self, source, lengths, tokens, **options) -> RowPlan:
        return RowPlan(source.language, lengths, tokens, **options)

    @classmethod
    def of(cls, config: Config, sources: Sequence[Source], groups: Sequence, **more) -> "TrainData":
        """The batches of a run.

        Args:
            config: the run's.
            sources: one train split a language.
            groups: their groups, with tokenizer and statistics.
            more: further arguments of TrainData.
        """
        return cls(
            sources,
            [group.tokenizer for group in groups],
            [group.statistics for group in groups],
            batch_size=config.batch_rows[0],
            seed=config.train.seed,
            row_frames=config.data.row_frames,
            row_tokens=config.data.row_tokens,
            row_clips=config.data.row_clips,
            patch=config.model.patch,
            cache_mb=config.data.cache_mb,
            **more,
        )

    def batch(self, step: int, languages: Sequence[int], rows: Sequence[int]) -> Batch:
        """The part of step `step`'s batch with the given language and row indices."""
        parts = [
            [self._row(language, step, int(row)) for row in rows]
            for language in map(int, languages)
        ]
        fields = zip(*(zip(*language) for language in parts))
        return Batch(*(np.stack([np.stack(rows) for rows in field]) for field in fields))

    def first_pass(self, capacity: int, frames: int, tokens: int) -> int:
        """Steps in which every clip has come once, to stay in a buffer of the given sizes.

        Args:
            capacity: clips of a stratum.
            frames, tokens: of the longest clip that the buffer takes.

        Raises:
            ConfigError: the buffer cannot hold them all.
        """
        steps = 0
        for source, ids, plans in zip(self._sources, self._ids, self.plans):
            for plan in plans:
                most = max(max(int(source.lengths[i]) for i in plan.clips), 1)
                words = max(len(ids[i]) for i in plan.clips)
                if len(plan.clips) > capacity or most > frames or words > tokens:
                    raise ConfigError(
                        f"config.rl.resident: {source.language} has {len(plan.clips)} train clips "
                        f"a stratum, of up to {most} frames and {words} tokens: the buffer takes "
                        f"{capacity} of {frames} and {tokens} (config.rl.capacity, clip_frames, "
                        "clip_tokens)"
                    )
                steps = max(steps, -(-plan.first_rows // self._own_rows))
        return steps

    def clip(self, language: int, index: int) -> tuple[list[int], np.ndarray, np.ndarray]:
        """Clip `index` of a language: its tokens, frames float32 [T, D] and mask bool [T, J]."""
        return self._ids[language][index], *self._clip(language, index)

    def _row(self, language: int, step: int, row: int) -> tuple[np.ndarray, ...]:
        stratum, row = divmod(row, self._own_rows)
        packed = self.plans[language][stratum].row(step * self._own_rows + row)
        time, tokens, clips = self._limits
        size = self._statistics[language].mean.shape[0]
        text = np.zeros((2, tokens), np.int32)
        frames = np.zeros((time, 3 * size + 1), np.float32)
        mask = np.zeros((time, size), bool)
        place = np.zeros((2, time), np.int32)
        example = np.full(clips, -1, np.int32)
        gloss = np.zeros((clips, self._row_glosses), np.int32)
        token = frame = 0
        for number, clip in enumerate(packed):
            ids = self._ids[language][clip]
            values, seen = self._clip(language, clip)
            text[0, token : token + len(ids)] = ids
            text[1, token : token + len(ids)] = number + 1
            end = frame + len(values)
            frames[frame:end], mask[frame:end] = values, seen
            place[0, frame:end] = number + 1
            place[1, frame:end] = np.arange(1, len(values) + 1)
            example[number] = clip
            if self._glosses and len(own := self._glosses[language][clip]) <= self._row_glosses:
                gloss[number, : len(own)] = own
            token += len(ids)
            frame += math.ceil(len(values) / self._patch) * self._patch
        row = text[0], text[1], frames, mask, place[0], place[1], example
        return (*row, gloss) if self._glosses else row

    def _clip(self, language: int, index: int) -> tuple[np.ndarray, np.ndarray]:
        held = self._cache.get((language, index))
        if held is None:
            example = self._sources[language][index]
            held = make_frames(example["pose"], example["confidence"], self._statistics[language])
            size = held[0].nbytes + held[1].nbytes
            if size <= self._room:
                self._room -= size
                self._cache[language, index] = held
        return held


class _Steps:
    """A grain source whose items are whole batches, indexed by step."""

    def __init__(self, data: TrainData, steps: int, languages, rows):
        self._data, self._steps = data, steps
        self._block = (languages, rows)

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, step) -> Batch:
        return self._data.batch(int(step), *self._block)


def iterate(
    data: TrainData,
    start: int,
    steps: int,
    block: tuple[Sequence[int], Sequence[int]],
    *,
    threads: int,
    prefetch: int,
) -> Iterator[Batch]:
    """Batches of the steps start .. steps - 1 of this host's (languages, rows), read ahead."""
    dataset = grain.MapDataset.source(_Steps(data, steps, *block))[start:]
    options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=prefetch)
    return iter(dataset.to_iter_dataset(options))
