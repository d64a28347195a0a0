"""Free-running evaluation on dev while training: text in, clips out, scored."""

import os
from collections.abc import Iterator, Sequence

import numpy as np

from signllm_jax.artifacts.group import Group
from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.config import Config
from signllm_jax.core.storage import is_remote
from signllm_jax.core.typing import Tree
from signllm_jax.data import splits
from signllm_jax.eval.eval_set import Language
from signllm_jax.eval.evaluators import Evaluator, reader_of, trained_inside
from signllm_jax.eval.judge import Judge
from signllm_jax.inference.text_to_pose import Producer
from signllm_jax.parallel import hosts
from signllm_jax.poses.clip import PoseClip
from signllm_jax.render.figure import contact_strip
from signllm_jax.render.save import save_clip
from signllm_jax.text.tokenizer import normalize_text

FIRST = "first.gif"
METRICS = (
    *("score", "dtw", "dtw_mean_pose_ratio", "frechet_mean_pose_ratio", "cer"),
    *("hand_travel_ratio", "smooth_travel_ratio", "duration_ratio", "joints_missing"),
    *("joints_hidden", "ended"),
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
        self._judges: dict[str, Judge] = {}
        for code, group, texts, clips in zip(languages, groups, self._texts, self._clips):
            if clips and hosts.is_first():
                normal = [normalize_text(text, code) for text in texts]
                self._judges[code] = Judge(normal, clips, group.needed_statistics.mean_pose)
        self._producer = Producer(groups, mesh, config.eval.batch_size)
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
            read = None
            if self._workdir is not None:
                read = self._trained_reader(self._workdir).read(code, produced)
            summary = self._judges[code](produced, read)
            summary["ended"] = float(np.mean([ended for _, ended in self._last[i]]))
            scores[code] = {name: summary[name] for name in METRICS if name in summary}
        return scores

    def _trained_reader(self, workdir: Workdir) -> Evaluator:
        """The reader of all languages, read from the work directory or trained."""
        if self._reader is None:
            name, folder = self._config.data.dataset, self._config.data.data_dir or None
            languages = {}
            for code, group in zip(self._languages, self._groups):
                train = splits.open_split(name, code, "train", folder)
                languages[code] = Language(train, group.tokenizer, group.needed_statistics)
            (self._reader,) = trained_inside(workdir, languages, (0,), reader_of(self._config))
        return self._reader

    def pictures(self) -> Iterator[tuple[str, np.ndarray]]:
        """A contact strip of each language's first dev clip as last produced, over the real one."""
        for title, clip, reference in self.clips():
            strip = contact_strip(clip, reference, text=title)
            yield f"dev/{title.partition(':')[0]}", np.asarray(strip)

    def clips(self) -> Iterator[tuple[str, PoseClip, PoseClip]]:
        """The first dev text of each language, its clip as last produced, and the real one."""
        for code, texts, clips, made in zip(self._languages, self._texts, self._clips, self._last):
            if clips:
                yield f"{code}: {texts[0]}", made[0][0], clips[0]


def show_dev(dev, log, step: int, config: Config, workdir: Workdir) -> None:
    """Logs pictures of what was last scored; saves a clip at the first evaluation, for a report.

    Args:
        dev: a `train.task.DevSet`.
        log: of the run.
        step: of the evaluation.
        config: of the run.
        workdir: where `first.gif` goes, unless there is one or it is a bucket.
    """
    for name, picture in dev.pictures():
        log.picture(step, name, picture)
    path = workdir.path / FIRST
    if not config.eval.report or is_remote(path) or os.path.lexists(path):
        return
    for title, clip, reference in dev.clips():
        if len(clip):
            save_clip(path, clip, reference, title)
            log.say(f"step {step}: a dev text as the model signs it by now: {path}")
        return
