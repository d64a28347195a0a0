"""Free-running evaluation on dev during training: produces clips of texts and scores them."""

import functools
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
    "score",
    "dtw",
    "dtw_mean_pose_ratio",
    "frechet_mean_pose_ratio",
    "cer",
    "hand_travel_ratio",
    "smooth_travel_ratio",
    "duration_ratio",
    "joints_missing",
    "joints_hidden",
    "ended",
)


class DevSet:
    """The dev clips of all languages, and the compiled producer of clips for their texts.

    With `config.eval.reader`, a reader of letters also reads the produced clips. It is trained at
    the first evaluation and saved in `workdir` for the report.

    Raises DataError if a clip cannot be read and TextError if a text is longer than a row.
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
        self._producer = Producer(groups, mesh, config.eval.batch_size)
        self._texts, self._clips, self._last = [], [], []
        self._judges: dict[str, Judge] = {}
        for lane, (code, group) in enumerate(zip(languages, groups)):
            data = splits.open_split(config.data.dataset, code, "dev", config.data.data_dir)
            texts = data.texts[: config.eval.clips or None]
            clips = [data.clip(i) for i in range(len(texts))]
            self._texts.append(texts)
            self._clips.append(clips)
            for text in texts:  # a text that cannot be read is an error before training starts
                self._producer.encode(text, lane)
            if clips and hosts.is_first():
                normal = [normalize_text(text, code) for text in texts]
                self._judges[code] = Judge(normal, clips, group.needed_statistics.mean_pose)

    def score(self, params: Tree) -> dict[str, dict[str, float]]:
        """Metrics of each language (see METRICS); none for a language without dev clips.

        All hosts produce the clips; only the first one scores them, the others return nothing.

        Args:
            params: Stacked parameters on the mesh.
        """
        self._last = self._producer(params, self._texts)
        scores = {}
        for code, made in zip(self._languages, self._last) if hosts.is_first() else ():
            scores[code] = {}
            if made:
                produced = [clip for clip, _ in made]
                read = self._reader and self._reader.read(code, produced)
                summary = self._judges[code](produced, read)
                summary["ended"] = float(np.mean([ended for _, ended in made]))
                scores[code] = {name: summary[name] for name in METRICS if name in summary}
        return scores

    @functools.cached_property
    def _reader(self) -> Evaluator | None:
        """The reader of all languages, loaded from the work directory or trained; None = off."""
        if self._workdir is None:
            return None
        data, languages = self._config.data, {}
        for code, group in zip(self._languages, self._groups):
            train = splits.open_split(data.dataset, code, "train", data.data_dir)
            languages[code] = Language(train, group.tokenizer, group.needed_statistics)
        (reader,) = trained_inside(self._workdir, languages, (0,), reader_of(self._config))
        return reader

    def clips(self) -> Iterator[tuple[str, PoseClip, PoseClip]]:
        """The first dev text of each language, the clip produced last, and the real clip."""
        for code, texts, clips, made in zip(self._languages, self._texts, self._clips, self._last):
            if clips:
                yield f"{code}: {texts[0]}", made[0][0], clips[0]


def show_dev(dev, log, step: int, config: Config, workdir: Workdir) -> None:
    """Logs contact strips of the clips produced last, and saves the first one for the report.

    Args:
        dev: Dev set, a `train.task.DevSet`.
        log: Log of the run.
        step: Step of the evaluation.
        config: Config of the run.
        workdir: Work directory; `first.gif` is written there if it is local and has none yet.
    """
    path = workdir.path / FIRST
    saves = config.eval.report and not is_remote(path) and not os.path.lexists(path)
    for title, clip, reference in dev.clips():
        strip = contact_strip(clip, reference, text=title)
        log.picture(step, f"dev/{title.partition(':')[0]}", np.asarray(strip))
        if saves and len(clip):
            save_clip(path, clip, reference, title)
            log.say(f"step {step}: a dev text as the model signs it by now: {path}")
        saves = False
