"""Batches for the train step: their order is a pure function of seed, lengths and step.

Step s of a language takes the rows s * B to (s + 1) * B of its endless stream of rows
(`packing.py`). The iterator's whole state is thus the step: resuming, other hosts and other
meshes follow from it.
"""

import math
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Generic, Protocol, TypeVar

import grain.python as grain
import numpy as np

from signllm_jax.core.config import Config
from signllm_jax.core.errors import ConfigError, DataError, RecordError
from signllm_jax.core.languages import stable_hash
from signllm_jax.core.typing import Batch, LineBatch
from signllm_jax.data.examples import Examples
from signllm_jax.data.packing import Packing, RowPlan, plan_rows
from signllm_jax.data.token_table import TokenTable
from signllm_jax.poses.features import Statistics, make_frames
from signllm_jax.text.tokenizer import Encoder

BatchT = TypeVar("BatchT", bound=Batch | LineBatch, covariant=True)


class TrainData:
    """The train split of all languages as numbers: random access to batches by step.

    Args:
        sources: one train split a language.
        tokenizers: one a language.
        statistics: one a language.
        packing: of clips into rows.
        cache_mb: how many megabytes of standardized clips are kept.
        max_bad: how many clips whose record is damaged are skipped; one more is an error.
        glosses: one list a language with the gloss ids of each of its clips; None = no gloss.
        row_glosses: G, the most glosses of a clip; a clip with more has none in its Batch.
        group: what the Batch says that clips are compared within: `text` or `signer`, else nothing.

    Attributes:
        bad: what is wrong with each clip that was skipped, in the order in which they were met.
    """

    def __init__(
        self,
        sources: Sequence[Examples],
        tokenizers: Sequence[Encoder],
        statistics: Sequence[Statistics],
        packing: Packing,
        *,
        cache_mb: int,
        max_bad: int = 0,
        glosses: Sequence[Sequence[Sequence[int]]] | None = None,
        row_glosses: int = 0,
        group: str = "none",
    ):
        self._group = group
        self._groups: dict[tuple[int, int], int] = {}
        self._glosses, self._row_glosses = glosses, row_glosses
        self._sources, self._statistics = sources, statistics
        self._packing, self._own_rows = packing, packing.batch_size // packing.strata
        self._room = cache_mb << 20
        self._max_bad = max_bad
        self._skipped: set[tuple[int, int]] = set()
        self.bad: list[str] = []
        self._cache: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = {}
        self._ids = [
            TokenTable(source.texts, tokenizer) for source, tokenizer in zip(sources, tokenizers)
        ]
        self.plans = [self._strata(source, ids.counts) for source, ids in zip(sources, self._ids)]
        self.notes = [
            f"{source.language}: {len(plan[0].left_out)} train clips fit no row and are left out"
            for source, plan in zip(sources, self.plans)
            if plan[0].left_out
        ]

    def _strata(self, source, tokens) -> list[RowPlan]:
        found: list[RowPlan] = []
        for stratum in range(self._packing.strata):
            beside = found[0] if found else None
            found.append(self._plan(source, tokens, stratum, beside))
        return found

    def _plan(self, source, tokens, stratum, beside) -> RowPlan:
        return plan_rows(source.language, source.lengths, tokens, self._packing, stratum, beside)

    @classmethod
    def of(
        cls, config: Config, sources: Sequence[Examples], groups: Sequence, **more
    ) -> "TrainData":
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
            Packing.of(config),
            cache_mb=config.data.cache_mb,
            max_bad=config.data.max_bad,
            group=config.compared,
            **more,
        )

    def batch(self, step: int, languages: Collection[int], rows: Collection[int]) -> Batch:
        """The part of step `step`'s batch with the given language and row indices."""
        parts = [
            [self._row(language, step, int(row)) for row in rows]
            for language in map(int, languages)
        ]
        fields = zip(*(zip(*language) for language in parts))
        stacked: list[Any] = [np.stack([np.stack(rows) for rows in field]) for field in fields]
        batch = Batch(*stacked)
        if self._group == "none":
            return batch
        groups = [
            [[self._group_of(code, int(clip)) for clip in row] for row in rows]
            for code, rows in zip(map(int, languages), batch.example)
        ]
        return batch._replace(group=np.array(groups, np.int32))

    def _group_of(self, language: int, clip: int) -> int:
        """A number for the text or the signer of a clip; -1 where there is no clip."""
        if clip < 0:
            return -1
        if (language, clip) not in self._groups:
            source = self._sources[language]
            name = source.texts[clip] if self._group == "text" else source[clip]["signer"]
            self._groups[language, clip] = stable_hash(name) & 0x7FFFFFFF
        return self._groups[language, clip]

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
                most = max(int(np.max(source.lengths[plan.clips])), 1)
                words = int(np.max(ids.counts[plan.clips]))
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
        stratum, own_row = divmod(row, self._own_rows)
        planned = self.plans[language][stratum].row(step * self._own_rows + own_row)
        packing = self._packing
        time, tokens, clips = packing.row_frames, packing.row_tokens, packing.row_clips
        size = self._statistics[language].mean.shape[0]
        text = np.zeros((2, tokens), np.int32)
        frames = np.zeros((time, 3 * size + 1), np.float32)
        mask = np.zeros((time, size), bool)
        place = np.zeros((2, time), np.int32)
        example = np.full(clips, -1, np.int32)
        gloss = np.zeros((clips, self._row_glosses), np.int32)
        token = frame = 0
        sound = ((clip, held) for clip in planned if (held := self._sound(language, clip)))
        for number, (clip, (values, seen)) in enumerate(sound):
            ids = self._ids[language][clip]
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
            frame += math.ceil(len(values) / packing.patch) * packing.patch
        fields = text[0], text[1], frames, mask, place[0], place[1], example
        return (*fields, gloss) if self._glosses else fields

    def _sound(self, language: int, index: int) -> tuple[np.ndarray, np.ndarray] | None:
        """The clip, None when its record is damaged; raises DataError when too many are."""
        if (language, index) in self._skipped:
            return None
        try:
            return self._clip(language, index)
        except RecordError as error:
            self._skipped.add((language, index))
            self.bad.append(str(error))
            if len(self._skipped) > self._max_bad:
                raise DataError(
                    f"{error}: more than config.data.max_bad = {self._max_bad}"
                ) from None
            return None

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


class Batches(Protocol[BatchT]):
    """Random access to the batches of a run by step; `TrainData` is one."""

    def batch(self, step: int, lanes: Collection[int], rows: Collection[int], /) -> BatchT:
        """The part of step `step`'s batch with the given lane and row indices."""
        ...


class _Steps(Generic[BatchT]):
    """A grain source whose items are whole batches, indexed by step."""

    def __init__(
        self, data: Batches[BatchT], steps: int, languages: Collection[int], rows: Collection[int]
    ):
        self._data, self._steps = data, steps
        self._block = (languages, rows)

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, index) -> BatchT:
        return self._data.batch(int(index), *self._block)


def iterate(
    data: Batches[BatchT],
    start: int,
    steps: int,
    block: tuple[Collection[int], Collection[int]],
    *,
    threads: int,
    prefetch: int,
) -> Iterator[BatchT]:
    """Batches of the steps start .. steps - 1 of this host's (languages, rows), read ahead."""
    dataset = grain.MapDataset.source(_Steps(data, steps, *block))[start:]
    options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=prefetch)
    return iter(dataset.to_iter_dataset(options))
