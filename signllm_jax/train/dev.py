"""Free-running evaluation on dev while training: text in, clips out, scored."""

from collections.abc import Iterator, Sequence

import numpy as np

from signllm_jax.artifacts.group import Group
from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.config import Config
from signllm_jax.core.typing import Tree
from signllm_jax.data import splits
from signllm_jax.eval import judge
from signllm_jax.eval.evaluators import Evaluator, reader_of, trained_inside
from signllm_jax.inference.text_to_pose import Producer
from signllm_jax.metrics.pairs import held, score_clips, summarize
from signllm_jax.metrics.text_metrics import cer
from signllm_jax.parallel import hosts
from signllm_jax.render.figure import contact_strip
from signllm_jax.text.tokenizer import normalize_text

# the other metrics cost more than they tell here
SCORED = ("dtw", "hand_travel", "duration_ratio", "joints_missing")
METRICS = (
    "score",
    "dtw",
    "dtw_mean_pose_ratio",
    "frechet_mean_pose_ratio",
    "cer",
    "hand_travel_ratio",
    "duration_ratio",
    "joints_missing",
    "ended",
)


class DevSet:
    """The dev clips of all languages and the compiled producer that answers their texts.

    With `config.eval.reader` a reader of letters, trained at the first evaluation and kept in
    `workdir` for the report, reads the productions too.

    Raises DataError when they cannot be read and TextError when a text is longer than a row.
    """

    def __init__(
        self,
        config: Config,
        languages: Sequence[str],
        groups: Sequence[Group],
        mesh,
        workdir: Workdir | None = None,
    ):
        self._config, self._languages, self._groups = config, languages, groups
        self._workdir = workdir if config.eval.reader and config.text.kind == "letters" else None
        self._reader: Evaluator | None = None
        limit = config.eval.clips
        self._texts, self._clips = [], []
        for code in languages:
            data = splits.open_split(config.data.dataset, code, "dev", config.data.data_dir or None)
            count = min(limit, len(data)) if limit else len(data)
            self._texts.append(data.texts[:count])
            self._clips.append([data.clip(i) for i in range(count)])
        self._still = [
            [held(group.statistics.mean_pose, clip) for clip in clips] if hosts.is_first() else []
            for group, clips in zip(groups, self._clips)
        ]
        self._mean_pose = [
            float(np.nanmean(score_clips(clips, still, SCORED)["dtw"])) if still else None
            for clips, still in zip(self._clips, self._still)
        ]
        self._producer = Producer(
            config.model,
            [group.tokenizer for group in groups],
            [group.statistics for group in groups],
            mesh,
            tokens=config.data.row_tokens,
            max_frames=config.eval.max_frames,
            batch_size=config.eval.batch_size,
        )
        for i, texts in enumerate(self._texts):
            for text in texts:  # what cannot be read is refused before anything is trained
                self._producer.encode(text, i)
        self._last: list = []

    def score(self, params: Tree) -> dict[str, dict[str, float]]:
        """Metrics of each language (see METRICS); none for a language without dev clips.

        All hosts produce the clips; the first one alone scores them, the others return nothing.

        Args:
            params: stacked parameters on the mesh.
        """
        self._last = self._producer(params, self._texts)
        scores = {}
        if not hosts.is_first():
            return scores
        for i, code in enumerate(self._languages):
            if not self._clips[i]:
                scores[code] = {}
                continue
            produced = [clip for clip, _ in self._last[i]]
            summary = summarize(score_clips(self._clips[i], produced, SCORED))
            if "dtw" in summary:
                summary["dtw_mean_pose_ratio"] = summary["dtw"] / self._mean_pose[i]
            if judge.has_takes(self._texts[i]):
                ratio = judge.frechet_ratio(self._clips[i], produced, self._still[i])
                summary["frechet_mean_pose_ratio"] = ratio
            if self._workdir is not None:
                texts = [normalize_text(text, code) for text in self._texts[i]]
                summary["cer"] = cer(self._trained_reader().read(code, produced), texts)
            summary["score"] = judge.score(summary)
            summary["ended"] = float(np.mean([ended for _, ended in self._last[i]]))
            scores[code] = {name: summary[name] for name in METRICS if name in summary}
        return scores

    def _trained_reader(self) -> Evaluator:
        """The reader of all languages, read from the work directory or trained."""
        if self._reader is None:
            name, folder = self._config.data.dataset, self._config.data.data_dir or None
            train = {c: splits.open_split(name, c, "train", folder) for c in self._languages}
            groups = dict(zip(self._languages, self._groups))
            (self._reader,) = trained_inside(
                self._workdir, groups, train, (0,), reader_of(self._config)
            )
        return self._reader

    def pictures(self) -> Iterator[tuple[str, np.ndarray]]:
        """A contact strip of each language's first dev clip as last produced, over the real one."""
        for code, texts, clips, made in zip(self._languages, self._texts, self._clips, self._last):
            if clips:
                strip = contact_strip(made[0][0], clips[0], text=f"{code}: {texts[0]}")
                yield f"dev/{code}", np.asarray(strip)
