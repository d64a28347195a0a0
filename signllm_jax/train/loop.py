"""The training loop: restores, reads batches, logs, evaluates, saves, and handles signals.

Only this part of training has state; everything that it runs on the devices is pure.
"""

import contextlib
import dataclasses
import json
import os
import time
from typing import Any, cast

from signllm_jax.artifacts.group import digest, write_file
from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.config import Config, to_dict
from signllm_jax.core.errors import CheckpointError, TrainingError
from signllm_jax.core.version import versions
from signllm_jax.data import batches as pipeline
from signllm_jax.parallel import hosts, sharding
from signllm_jax.rl import plc
from signllm_jax.train import best, extension, groups, shared_start, spikes
from signllm_jax.train.binding import check_data, report_bad_clips
from signllm_jax.train.checkpoint import Checkpoints
from signllm_jax.train.clock import Clock
from signllm_jax.train.dev import show_dev
from signllm_jax.train.log import open_log
from signllm_jax.train.optimizer import evaluated
from signllm_jax.train.preemption import StopSignal
from signllm_jax.train.setup import PACKAGES, chosen_languages, hardware, make_run_mesh, mesh_title
from signllm_jax.train.state import TrainState, make_state, placed_state
from signllm_jax.train.step import gather_metrics, make_train_step
from signllm_jax.train.task import get_task


def train(config: Config, path: str | os.PathLike) -> dict | None:
    """Trains or resumes the run in the work directory `path`, together with all hosts.

    Args:
        config: Config of the run; a run in `path` must have the same.
        path: Work directory, created if it is missing.

    Returns:
        The content of `final.json`, or None if a signal stopped the run, after a checkpoint.

    Raises:
        SignLLMError: The input is bad; the work directory has not changed.
        TrainingError: The loss is not finite; the last good checkpoint is kept.
    """
    hosts.agree(
        {"workdir": os.fspath(path), "config": to_dict(config), "versions": versions(*PACKAGES)}
    )
    workdir = Workdir(path)
    kept = extension.kept_languages(config, workdir)
    languages = chosen_languages(config, kept)
    shared_start.config_of(config, languages)
    with StopSignal() as stop:
        return _train_in(workdir, config, languages, kept, stop)


def _train_in(workdir: Workdir, config: Config, languages, kept, stop) -> dict | None:
    """`train` in a work directory, for checked languages."""
    lanes = get_task(config).lanes(languages)
    mesh = make_run_mesh(config, lanes)
    hosts.meet(mesh)
    with workdir.lock() if hosts.is_first() else contextlib.nullcontext():
        config = workdir.check(config, languages)
        run = _Run(config, languages, kept, lanes, mesh, workdir, stop)
        try:
            return run.run()
        except OSError as error:  # of the log: checkpoints and groups raise CheckpointError
            workdir.check_here()  # raises a better message if the directory is gone
            reason = f"{workdir.path}: cannot be written: {error.strerror or error}; {run.kept()}"
            raise CheckpointError(reason) from error


class _Run:
    """A run from its restored step to its end."""

    def __init__(self, config, languages, kept, lanes, mesh, workdir, stop):
        self._clock = Clock()
        self._config, self._languages, self._mesh = config, languages, mesh
        self._kept, self._workdir, self._stop = kept, workdir, stop
        self._task, self._lanes = get_task(config), lanes
        self._digests = self._task.data_digests(languages)
        check_data(workdir, self._digests, workdir.noted_data())
        self._groups = self._task.open_groups(languages, workdir)
        self._data = self._task.train_data(languages, self._groups)
        self._dev = self._task.dev_set(languages, self._groups, mesh, workdir)
        self._steps = max(config.train.language_steps.get(n, config.train.steps) for n in lanes)
        self._host_steps = plc.host_steps(config, self._data, self._steps)
        self._checkpoints = Checkpoints(workdir.checkpoints, config.checkpoint.keep)
        self._pending: tuple[int, dict, tuple[int, float]] | None = None  # metrics on the devices
        self._bad = 0  # number of bad clips reported so far
        self._notes: list[str] = []
        self._saved = -1
        self._noted = False  # whether the work directory notes that there is a checkpoint
        # best dev scores, evaluations without a better one, and digests of the data
        self._record = best.start(lanes) | {"data": self._digests, "lead": self._task.lead}

    def run(self) -> dict | None:
        config = self._config
        with self._clock.during("restoring"):
            state, start = self._restore()
        self._clock.go_on(self._record, self._workdir.path)
        # all input has been read and checked: nothing is written before this line
        hosts.agree({"data": self._digests})
        hosts.agree({group.language: group.description for group in self._groups})
        if hosts.is_first():
            noted = {"saved": start > 0, "data": self._digests}
            self._workdir.claim(config, self._languages, self._kept, noted)
            if start < self._steps:
                self._workdir.set_final_aside()
            extension.take_along(config, self._workdir, self._kept)
            groups.freeze(self._workdir, self._groups)
        hosts.wait("the work directory")
        self._workdir.seen()
        if not start and (state := self._begun(state)) is None:
            return None
        step_fn = make_train_step(config, self._lanes, self._mesh)
        resident_fn = None
        if self._host_steps < self._steps:
            resident_fn = make_train_step(config, self._lanes, self._mesh, resident=True)
        self._log = open_log(self._workdir.path, start, self._steps, config.log.progress)
        self._log.say(
            f"{'resuming at step ' + str(start) if start else 'training'}: "
            f"{', '.join(self._languages)} on {config.data.dataset}, {mesh_title(self._mesh)}"
        )
        if self._kept:
            self._log.say(f"taken along from {config.extend_from}: {', '.join(self._kept)}")
        for line in (*self._data.notes, *self._notes):
            self._log.say(line)
        with hosts.watching():
            try:
                with sharding.use_mesh(self._mesh):
                    state, stopped = self._train(state, start, step_fn, resident_fn)
            finally:
                self._log.close()
                self._checkpoints.close()
        final = None if stopped else self._finish(state)
        return None if self._stop.reached() else final

    def _begun(self, state: TrainState) -> TrainState | None:
        """The state before the first step; None if a signal stopped the shared start."""
        if (first := shared_start.config_of(self._config, self._languages)) is None:
            return state

        def run(config, workdir):
            return _train_in(workdir, config, config.data.languages, (), self._stop)

        with self._clock.paused():
            begun = shared_start.begin(first, self._workdir, run, self._lanes, state.params)
        if begun is None:
            return None
        self._clock.add(begun[0])
        self._notes.append(shared_start.describe(self._config, self._languages))
        return dataclasses.replace(state, params=begun[1])

    def kept(self) -> str:
        """Says which checkpoint is kept, for error messages."""
        step = self._checkpoints.newest()
        kept = "no checkpoint" if step is None else f"checkpoint {step}"
        return f"{kept} is kept in {self._workdir.checkpoints}"

    def _restore(self) -> tuple[TrainState, int]:
        config, lanes = self._config, self._lanes
        like = placed_state(config, lanes, self._mesh)
        restored = self._checkpoints.restore(plc.without_clips(like))
        if restored is not None:
            state, record = restored
            self._record |= groups.comparable(record, self._task.lead)
            self._notes = check_data(self._workdir, self._digests, record.get("data"))
            self._record["data"] = self._digests
            if config.rl.plc:  # the data of such a task has clips
                state = plc.with_clips(state, like.replay, cast(Any, self._data).clip)
            self._saved, self._noted = int(state.step), True
            return state, int(state.step)
        taken = config.init_from and groups.initial_params(config, lanes, like.params)
        state = make_state(config, lanes, self._mesh)
        return dataclasses.replace(state, params=taken) if taken else state, 0

    def _train(self, state, start, step_fn, resident_fn):
        config = self._config
        layout = sharding.batch_sharding(self._mesh)
        leading = len(self._lanes), config.batch_rows[0]
        block = sharding.local_block(layout, leading)
        until = self._host_steps
        batches = pipeline.iterate(
            self._data,
            min(start, until),
            until,
            block,
            threads=config.data.threads,
            prefetch=config.data.prefetch,
        )
        step, clock = start, (start, time.monotonic())
        asked = self._stop.reached()
        self._clock.begin("steps")
        while step < self._steps and not asked:
            if step < until:
                with self._clock.during("waiting_for_input"):
                    batch = next(batches)
                state, metrics = step_fn(state, sharding.global_batch(batch, layout, leading))
            else:
                state, metrics = resident_fn(state)
            step += 1
            hosts.progress()
            self._log.advance()
            self._note_saved()
            self._fetch()
            last = step == self._steps
            evaluates = step % config.eval.every == 0 or last
            asked = self._stop.reached()
            saves = step % config.checkpoint.every == 0 or last or asked
            if step % config.log.every == 0 or last or evaluates or saves:
                if config.rl.plc:
                    metrics |= plc.summary(state.replay)
                self._pending = (step, metrics, clock)
                clock = (step, time.monotonic())
            if evaluates or saves:
                self._fetch()  # never evaluate or save parameters that are not finite
                self._workdir.check_here()
            if evaluates:
                with self._clock.during("evaluating"):
                    state = self._evaluate(step, state)
                hosts.progress()
                clock = (step, time.monotonic())
            if saves:
                with self._clock.during("saving"):
                    self._save(step, state)
                hosts.progress()
        with self._clock.during("saving"):
            self._checkpoints.wait()
        self._note_saved()
        if step < self._steps:
            self._log.say(f"stopped at step {step}; the same command goes on from here")
        return state, step < self._steps

    def _fetch(self) -> None:
        """Fetches and logs pending metrics; raises TrainingError if one is not finite."""
        if self._pending is None:
            return
        (step, metrics, (since, clock)), self._pending = self._pending, None
        values = gather_metrics(metrics, self._mesh)
        if what := spikes.not_finite(values, self._lanes):
            raise TrainingError(f"{what} at step {step}; {self.kept()}")
        if step % self._config.log.every == 0 or step == self._steps:
            per_second = values[self._task.unit].sum() * (step - since) / (time.monotonic() - clock)
            self._log.rate(per_second)
            self._workdir.check_here()
            lanes = enumerate(self._lanes)
            rows = {lane: {k: float(value[i]) for k, value in values.items()} for i, lane in lanes}
            self._log.write(step, "train", rows)
            bad, most = self._data.bad, self._config.data.max_bad
            self._bad = report_bad_clips(bad, self._bad, most, self._log.say)
            if hosts.is_first():
                self._clock.note(self._workdir.path)

    def _evaluate(self, step: int, state: TrainState) -> TrainState:
        params = evaluated(state.opt_state, state.params)
        scores = hosts.from_first(self._dev.score(params))
        lead, active = self._task.lead, hosts.gather(state.active).copy()
        for i in best.update(self._record, scores, self._lanes, lead):
            score = scores[self._lanes[i]].get(lead)
            groups.keep(self._workdir, self._groups[i], params, i, step, score)
        active[best.out_of_patience(self._record, self._lanes, self._config.train.patience)] = False
        self._log.write(step, "dev", scores)
        line = best.describe(scores, self._lanes, lead)
        self._log.say(f"step {step}: dev {self._task.lead_title}: {line}")
        if hosts.is_first():
            show_dev(self._dev, self._log, step, self._config, self._workdir)
        return dataclasses.replace(state, active=sharding.place(active, state.active.sharding))

    def _save(self, step: int, state: TrainState) -> None:
        self._log.sync()  # metrics reach the disk before their checkpoint
        self._checkpoints.save(step, plc.without_clips(state), self._record | self._clock.spent())
        self._saved = step

    def _note_saved(self) -> None:
        """Notes in the work directory that the first checkpoint is complete."""
        if not self._noted and self._saved >= 0 and self._checkpoints.has_complete():
            self._noted = True
            if hosts.is_first():
                self._workdir.note_saved()

    def _finish(self, state: TrainState) -> dict:
        self._workdir.check_here()
        final = {
            "step": int(state.step),
            "params_sha256": digest(hosts.gather(state.params)),
            **self._clock.spent(),
            "data": self._digests,
            "bad_clips": sum(hosts.from_all(len(self._data.bad))),
            **hardware(),
            "versions": versions(*PACKAGES),
        }
        if hosts.is_first():
            write_file(self._workdir.path / "final.json", json.dumps(final, indent=1).encode())
        return final
