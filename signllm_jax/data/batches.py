"""Batches for the train step: their order is a pure function of seed, lengths and step.

Step s of a language takes the rows s * B to (s + 1) * B of its endless stream of rows
(`packing.py`). The step is therefore the whole state of the iterator, so that a run can be resumed
and moved to other hosts and meshes.
"""

import functools
import math
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Protocol, TypeVar

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
    """The train split of all languages as arrays: random access to batches by step.

    Args:
        sources: Train split of each language.
        tokenizers: Tokenizer of each language.
        statistics: Statistics of each language.
        packing: How clips are packed into rows.
        cache_mb: Size of the cache of standardized clips in megabytes.
        max_bad: Number of clips with damaged records that may be skipped; one more is an error.
        glosses: Gloss ids of every clip, one list per language; None = no gloss.
        row_glosses: G, largest number of glosses per clip; clips with more have no gloss.
        group: Clips are compared with those of the same `text` or `signer`; `none` = with all.

    Attributes:
        bad: One line for each skipped clip, what is wrong with it, in the order of skipping.
        notes: One line for each language that has clips which fit no row.
        plans: Row plans of each language, one per stratum.
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
        self._group, self._group_ids = group, functools.cache(self._group_id)
        self._glosses, self._row_glosses = glosses, row_glosses
        self._sources, self._statistics = sources, statistics
        self._packing, self._stratum_rows = packing, packing.batch_size // packing.strata
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
        plans: list[RowPlan] = []
        for stratum in range(self._packing.strata):
            plans.append(self._plan(source, tokens, stratum, plans[0] if plans else None))
        return plans

    def _plan(self, source, tokens, stratum, beside) -> RowPlan:
        return plan_rows(source.language, source.lengths, tokens, self._packing, stratum, beside)

    @classmethod
    def of(
        cls, config: Config, sources: Sequence[Examples], groups: Sequence, **more
    ) -> "TrainData":
        """The batches of a run.

        Args:
            config: Config of the run.
            sources: Train split of each language.
            groups: Group of each language, with tokenizer and statistics.
            more: Further arguments of TrainData.
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
            [[self._group_ids(language, int(clip)) for clip in row] for row in rows]
            for language, rows in zip(map(int, languages), batch.example)
        ]
        return batch._replace(group=np.array(groups, np.int32))

    def _group_id(self, language: int, clip: int) -> int:
        """A number for the text or the signer of a clip; -1 if there is no clip."""
        if clip < 0:
            return -1
        source = self._sources[language]
        name = source.texts[clip] if self._group == "text" else source[clip]["signer"]
        return stable_hash(name) & 0x7FFFFFFF

    def first_pass(self, capacity: int, frames: int, tokens: int) -> int:
        """Number of steps until a replay buffer has seen every clip once.

        Args:
            capacity: Number of clips that the buffer holds per stratum.
            frames: Frames of the longest clip that the buffer takes.
            tokens: Tokens of the longest text that the buffer takes.

        Raises:
            ConfigError: The buffer cannot hold all clips.
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
                steps = max(steps, -(-plan.first_rows // self._stratum_rows))
        return steps

    def clip(self, language: int, index: int) -> tuple[list[int], np.ndarray, np.ndarray]:
        """Clip `index` of a language: tokens, frames float32 [T, D] and mask bool [T, J]."""
        return self._ids[language][index], *self._clip(language, index)

    def _row(self, language: int, step: int, row: int) -> tuple[np.ndarray, ...]:
        stratum, stratum_row = divmod(row, self._stratum_rows)
        planned = self.plans[language][stratum].row(step * self._stratum_rows + stratum_row)
        packing = self._packing
        time, tokens, clips = packing.row_frames, packing.row_tokens, packing.row_clips
        size = self._statistics[language].mean.shape[0]
        text = np.zeros((2, tokens), np.int32)
        frames = np.zeros((time, 3 * size + 1), np.float32)
        mask = np.zeros((time, size), bool)
        position = np.zeros((2, time), np.int32)  # segment, and position in the clip
        example = np.full(clips, -1, np.int32)
        gloss = np.zeros((clips, self._row_glosses), np.int32)
        token = frame = 0
        sound = ((clip, held) for clip in planned if (held := self._sound(language, clip)))
        for number, (clip, (values, seen)) in enumerate(sound):
            ids = self._ids[language][clip]
            text[0, token : token + len(ids)] = ids
            text[1, token : token + len(ids)] = number + 1
            token += len(ids)
            end = frame + len(values)
            frames[frame:end], mask[frame:end] = values, seen
            position[0, frame:end] = number + 1
            position[1, frame:end] = np.arange(1, len(values) + 1)
            example[number] = clip
            if self._glosses and len(ids := self._glosses[language][clip]) <= self._row_glosses:
                gloss[number, : len(ids)] = ids
            frame += math.ceil(len(values) / packing.patch) * packing.patch
        fields = (*text, frames, mask, *position, example)
        return (*fields, gloss) if self._glosses else fields

    def _sound(self, language: int, index: int) -> tuple[np.ndarray, np.ndarray] | None:
        """The clip, or None if its record is damaged; raises DataError if too many are."""
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
        """Frames float32 [T, D] and mask bool [T, J] of a clip, from the cache if it is there.

        A clip that was read is kept while the cache has room; nothing is ever removed from it.
        Raises RecordError if the record is damaged.
        """
        made = self._cache.get((language, index))
        if made is None:
            example = self._sources[language][index]
            made = make_frames(example["pose"], example["confidence"], self._statistics[language])
            size = made[0].nbytes + made[1].nbytes
            if size <= self._room:  # bytes that are left
                self._room -= size
                self._cache[language, index] = made
        return made


class Batches(Protocol[BatchT]):
    """Random access to the batches of a run by step; `TrainData` is one."""

    def batch(self, step: int, lanes: Collection[int], rows: Collection[int], /) -> BatchT:
        """The part of step `step`'s batch with the given lane and row indices."""
        ...


def iterate(
    data: Batches[BatchT],
    start: int,
    steps: int,
    block: tuple[Collection[int], Collection[int]],
    *,
    threads: int,
    prefetch: int,
) -> Iterator[BatchT]:
    """Batches of the steps start .. steps - 1, read ahead; `block` is this host's (lanes, rows)."""
    dataset = grain.MapDataset.range(start, steps).map(lambda step: data.batch(step, *block))
    options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=prefetch)
    return iter(dataset.to_iter_dataset(options))
