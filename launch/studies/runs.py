"""One short training run of one language, and its measurements.

Unlike `train.loop`, nothing is saved during the run, and the settings that are numbers are
arguments of the compiled step, so that settings and seeds share programs.
"""

import dataclasses
import functools
import json
from collections.abc import Callable, Collection

import jax
import numpy as np
import scipy.stats

from launch.studies.settings import changed
from signllm_jax.core.config import Config, LossConfig, RLConfig, to_dict
from signllm_jax.core.skeleton import get_layout
from signllm_jax.core.typing import Array, Tree
from signllm_jax.data import batches, corruption, splits
from signllm_jax.data.corruption import KINDS
from signllm_jax.eval.back_translate import train_reader
from signllm_jax.eval.judge import Judge
from signllm_jax.inference.text_to_pose import Producer
from signllm_jax.metrics.text_metrics import cer
from signllm_jax.models.history import teacher_forcing
from signllm_jax.models.losses import joint_weights
from signllm_jax.models.text2pose import Text2Pose
from signllm_jax.parallel import sharding
from signllm_jax.rl import policy
from signllm_jax.rl.clips import Clips
from signllm_jax.rl.reward import clip_errors, sequence_errors
from signllm_jax.train.groups import make_group
from signllm_jax.train.mlsf import MlsfTask
from signllm_jax.train.state import TrainState, init_state, state_shardings
from signllm_jax.train.step import train_step

TRACED = ("eta", "threshold", "supervised", "policy", "deviation", "final_deviation")


class Bench:
    """What the runs of a study share: the data of one language, compiled programs, and the reader.

    Many methods take a `share` of damaged train clips (`data.corrupt`): tokenizer and statistics
    are made from the damaged split. The reader and the mean pose always come from the clean one.

    Args:
        config: Config of the runs, which differ in `rl`, `loss`, `train.seed`, `data.corrupt` and
            the optimizer. Its first language is used.
    """

    def __init__(self, config: Config):
        self._config, self._lanes = config, config.data.languages[:1]
        self._compiled: dict[str, tuple] = {}
        self._mesh = sharding.make_mesh({}, jax.devices()[:1])
        self._clean = make_group(changed(config, data={"corrupt": 0.0}), self._lanes[0])
        folder = config.data.data_dir or None
        self._sets = {
            split: splits.open_split(config.data.dataset, self._lanes[0], split, folder)
            for split in ("train", "dev", "test")
        }

    @functools.cached_property
    def _reader(self):
        group = self._clean
        return train_reader(
            [self._sets["train"]], [group.needed_tokenizer], [group.needed_statistics]
        )

    @functools.cache  # noqa: B019 (a bench lives as long as its process)
    def part(self, share: float):
        """Group, producer and train split, in which a share of the clips is damaged."""
        config = changed(self._config, data={"corrupt": share})
        group = make_group(config, self._lanes[0])
        producer = Producer([group], self._mesh, config.eval.batch_size)
        return group, producer, corruption.open_train(config.data, self._lanes[0])

    def _programs(self, config: Config):
        """The compiled start and step of a config, for every seed and value of TRACED."""
        config = changed(
            dataclasses.replace(config, data=self._config.data),
            rl={name: getattr(RLConfig(), name) for name in TRACED},
            loss={"outlier": LossConfig().outlier},
            train={"seed": 0},
        )
        key = json.dumps(to_dict(config))
        if key not in self._compiled:
            self._compiled[key] = self._compile(config)
        return self._compiled[key]

    def _compile(self, config):
        lanes, shardings = self._lanes, state_shardings(config, self._lanes, self._mesh)
        specs = jax.tree.map(lambda sharding: sharding.spec, shardings.params)

        def start(seed):
            return init_state(changed(config, train={"seed": seed}), lanes)

        def step(state, batch, numbers, outlier):
            task = MlsfTask(changed(config, rl=numbers, loss={"outlier": outlier}))
            return train_step(state, batch, task=task, lanes=lanes, specs=specs)

        return jax.jit(start), jax.jit(step, donate_argnums=0)

    def train(
        self,
        config: Config,
        marks: Collection[int],
        start: Tree = None,
        watch: Callable[[int, TrainState], None] = lambda step, state: None,
    ) -> dict:
        """Trains and measures.

        Args:
            config: Config of the run.
            marks: Steps after which dev is evaluated; with some, the errors of the train clips are
                measured at the end.
            start: Parameters to start from; None = fresh ones.
            watch: Called after every step with its number and the state; the next step donates
                the state's buffers.

        Returns:
            `curve` has the step, the teacher-forced frame error and the DTW ratio on dev at every
            mark; `frames` is the number of frames in a step; `auc` says how well the errors of the
            train clips separate the damaged ones; `params` are the parameters, which are not JSON.
        """
        share, numbers = config.data.corrupt, {n: getattr(config.rl, n) for n in TRACED}
        group, _, split = self.part(share)
        data = batches.TrainData.of(config, [split], [group])
        fresh, step = self._programs(config)
        curve, rows, frames = [], range(config.batch_rows[0]), 0.0
        with sharding.use_mesh(self._mesh):
            state = fresh(config.train.seed)
            if start is not None:
                state = dataclasses.replace(state, params=jax.tree.map(jax.numpy.asarray, start))
            if 0 in marks:
                curve.append(self._point(0, state.params, share))
            for number in range(config.train.steps):
                batch = data.batch(number, [0], rows)
                state, metrics = step(state, batch, numbers, config.loss.outlier)
                frames += float(metrics["frames"][0])
                watch(number + 1, state)
                if number + 1 in marks:
                    curve.append(self._point(number + 1, state.params, share))
            result = {
                "curve": curve,
                "frames": frames / config.train.steps,
                "params": jax.device_get(state.params),
            }
            if share and marks:
                result["auc"] = self._auc(state, config)
        return result

    def _point(self, step: int, params: Tree, share: float) -> dict[str, float]:
        scores, _ = self._produce(params, share, "dev")
        error, _ = self._errors(params, share, "dev")
        return {"step": step, "loss": float(np.mean(error)), "dtw": scores["dtw"]}

    def test(self, params: Tree, share: float) -> dict[str, float]:
        """Scores clips that are produced from the texts of the test split.

        Args:
            params: Parameters of the model, stacked [1, ...].
            share: Share of damaged train clips in the run.

        Returns:
            `dtw` is the DTW distance divided by that of the mean pose; `hand_travel` is the path
            length of the hands divided by that of the real hands; `cer` is the reader's character
            error rate.
        """
        with sharding.use_mesh(self._mesh):
            scores, clips = self._produce(params, share, "test")
        read = self._reader.read(0, clips)
        return scores | {"cer": cer(read, self._sets["test"].texts)}

    def _produce(self, params, share, split):
        _, producer, _ = self.part(share)
        made = [clip for clip, _ in producer(params, [self._sets[split].texts])[0]]
        scores = self._score(split)(made)
        travel = scores["hand_travel_ratio"]
        return {"dtw": scores["dtw_mean_pose_ratio"], "hand_travel": travel}, made

    @functools.cache  # noqa: B019
    def _score(self, split):
        source = self._sets[split]
        clips = [source.clip(index) for index in range(len(source))]
        return Judge(source.texts, clips, self._clean.needed_statistics.mean_pose)

    @functools.cached_property
    def _measure(self):
        model = Text2Pose(self._config.model)
        layout, loss = get_layout(self._config.data.layout), self._config.loss
        weights = joint_weights(layout, loss.hand, loss.wrist)
        patch = self._config.model.patch

        def measure(params, clips: Clips, counter: Array):
            """Teacher-forced and free-running errors [N] of the only lane."""
            params = jax.tree.map(lambda leaf: leaf[0], params)
            segment = (counter > 0).astype(np.int32)
            whole = jax.numpy.concatenate([clips.frames, counter[..., None]], -1)
            history, before, patches = teacher_forcing(whole, segment, patch)
            given = clips.text, (clips.text > 0).astype(np.int32), history, before, patches
            seen = policy.shown(model, clips)
            made, _ = model.apply({"params": params}, *given, seen=seen)
            forced, _ = clip_errors(clips.frames, clips.mask, segment, made.frames, weights, 1)
            steps = clips.frames.shape[1] // patch
            made, _, _, length = policy.rollout(model, params, clips.text, steps, seen=seen)
            free = sequence_errors(clips.frames, clips.mask, clips.length, made, length, "mse")
            return forced[:, 0], free

        return jax.jit(measure)

    def _errors(self, params, share, name):
        return map(np.asarray, self._measure(params, *self._as_clips(share, name)))

    @functools.cache  # noqa: B019
    def _as_clips(self, share, name):
        group, _, train = self.part(share)
        split = train if name == "train" else self._sets[name]
        data = batches.TrainData.of(self._config, [split], [group])
        rl, count = self._config.rl, len(split)
        joints = (self._config.model.frame_size - 1) // 3
        text = np.zeros((count, rl.clip_tokens), np.int32)
        frames = np.zeros((count, rl.clip_frames, 3 * joints), np.float32)
        mask = np.zeros((count, rl.clip_frames, joints), bool)
        counter = np.zeros((count, rl.clip_frames), np.float32)
        for index in range(count):
            ids, values, seen = data.clip(0, index)
            text[index, : len(ids)] = ids
            frames[index, : len(values)], mask[index, : len(values)] = values[:, :-1], seen
            counter[index, : len(values)] = values[:, -1]
        length = (counter > 0).sum(1).astype(np.int32)
        clips = Clips(text, frames, mask, length, np.arange(count, dtype=np.int32))
        return jax.device_put(clips), jax.device_put(counter)

    def _auc(self, state, config) -> dict[str, dict[str, float]]:
        share, count = config.data.corrupt, len(self._sets["train"])
        kinds = corruption.labels(self._lanes[0], count, share, config.data.corrupt_seed)
        forced, free = self._errors(state.params, share, "train")
        errors = {"teacher_forced": forced, "free_running": free}
        if state.replay is not None:
            kept = np.full(len(kinds), np.nan)
            replay = jax.device_get((state.replay.example, state.replay.error))
            example, error = (values.ravel() for values in replay)
            kept[example[example >= 0]] = error[example >= 0]
            errors["buffer"] = kept
        return {name: separation(error, kinds) for name, error in errors.items()}


def separation(error: np.ndarray, kinds: np.ndarray) -> dict[str, float]:
    """The AUC of an error that separates damaged clips from clean ones: all, and of each kind."""
    known = np.isfinite(error)
    clean = error[known & (kinds == 0)]

    def auc(chosen):
        damaged = error[known & chosen]
        if not len(damaged) or not len(clean):
            return float("nan")
        statistic = scipy.stats.mannwhitneyu(damaged, clean).statistic
        return float(statistic / (len(damaged) * len(clean)))

    by_kind = {name: auc(kinds == number) for number, name in enumerate(KINDS) if number}
    return {"all": auc(kinds > 0)} | by_kind
