"""The study: settings on dev with some seeds, a choice, then test once with others.

Every finished run is a line of the records; the same command goes on where it was stopped.
"""

import dataclasses
import functools
import itertools
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from launch.studies import draws, reader_gradient, whole_runs
from launch.studies.records import Key, Records
from launch.studies.runs import Bench
from signllm_jax.core.config import Config

DEV_SEEDS = (0, 1, 2)
TEST_SEEDS = (3, 4, 5, 6, 7)
MARKS = 6  # evaluations on dev of a run

Settings = dict[str, dict[str, Any]]


class Run(NamedTuple):
    """A run of the study: `corrupt` is the share of damaged train clips."""

    stage: str
    setting: str
    corrupt: float
    seed: int


@dataclasses.dataclass(frozen=True)
class Study:
    """What is run and where its results lie.

    Attributes:
        config: of the runs; `data.corrupt` is the share of the corrupted ones.
        settings: name -> what `config.rl` is; `base` and `rl_loss` among them.
        controls: name -> what `config.loss` is, in settings without reinforcement learning.
        prompted: of the other kind of model, with the steps and rows of `config`.
        demo: of the run that further training starts from.
        finetune: name -> what `config.rl` and `config.optimizer` are in further training.
        finetune_steps: its steps.
        signers: of the run that says whom the channel draws.
        sampled: of the short run whose samples a reader rewards.
        reader_ways: name -> how it is trained on.
        records: of finished runs.
        folder: for the work directories of whole runs.
    """

    config: Config
    settings: Settings
    controls: Settings
    prompted: Config
    demo: Config
    finetune: Settings
    finetune_steps: int
    signers: Config
    sampled: Config
    reader_ways: Settings
    records: Records
    folder: Path

    def results(self, stage: str) -> dict[Key, dict]:
        """What is finished of a stage and was run with the settings of today."""
        found = self.records.read(stage).items()
        return {key: record for key, record in found if record["config"] == self.told(key[0])}

    def chosen(self, stage: str, among: Settings, share: float) -> str | None:
        """The setting with the smallest mean DTW ratio at the end on dev; None = not all ran."""
        results = self.results(stage)
        means = {}
        for name in among:
            keys = [(name, share, seed) for seed in DEV_SEEDS]
            if any(key not in results for key in keys):
                return None
            means[name] = float(np.mean([results[key]["curve"][-1]["dtw"] for key in keys]))
        return min(means, key=means.__getitem__)

    def candidates(self) -> Settings:
        """The settings that are chosen among: those with the Priority Learning Channel."""
        return {name: rl for name, rl in self.settings.items() if rl.get("plc")}

    def kinds(self) -> Mapping[str, Settings]:
        """The controls of each kind, which differ in their limit."""
        kinds: dict[str, Settings] = {}
        for name, loss in self.controls.items():
            kinds.setdefault(loss["robust"], {})[name] = loss
        return kinds

    def compared(self) -> list[str]:
        """What is tested: the paper's rows, and what was chosen of the channel and of each kind."""
        best = self.chosen("dev", self.candidates(), self.config.data.corrupt)
        first = ("base", "rl_loss", "plc", best)
        return list(filter(None, dict.fromkeys((*first, *self.limits()))))

    def limits(self) -> list[str]:
        """The control that was chosen of each kind, where all of a kind ran."""
        share = self.config.data.corrupt
        chosen = [self.chosen("dev", among, share) for among in self.kinds().values()]
        return list(filter(None, chosen))

    def gradients(self) -> Settings:
        """The ways of further training with a policy gradient."""
        return {name: way for name, way in self.finetune.items() if "rl" in way}

    def supervised(self) -> Settings:
        """Those without."""
        return {name: way for name, way in self.finetune.items() if "rl" not in way}

    def plan(self) -> Iterator[Run]:
        """All runs, in order; what depends on a choice comes once the choice can be made."""
        share = self.config.data.corrupt
        for seed, name in itertools.product(DEV_SEEDS, [*self.settings, *self.controls]):
            yield Run("dev", name, share, seed)
        compared = self.compared()
        for seed, name in itertools.product(DEV_SEEDS, compared):
            if name != "rl_loss":  # whose gradient is the base's
                yield Run("clean", name, 0.0, seed)
        for seed, name, corrupt in itertools.product(TEST_SEEDS, compared, (share, 0.0)):
            yield Run("test", name, corrupt, seed)
        for seed, name in itertools.product(DEV_SEEDS, self.finetune):
            yield Run("finetune-dev", name, 0.0, seed)
        gradient = self.chosen("finetune-dev", self.gradients(), 0.0)
        plain = self.chosen("finetune-dev", self.supervised(), 0.0)
        for seed, name in itertools.product(DEV_SEEDS, filter(None, (plain, gradient))):
            yield Run("finetune-test", name, 0.0, seed)
        for group in draws.GROUPS:
            yield Run("draws", group, 0.0, DEV_SEEDS[0])
        for seed, name in itertools.product(DEV_SEEDS, self.reader_ways):
            yield Run("reader", name, 0.0, seed)
        for seed in TEST_SEEDS[:3]:
            yield Run("test", "prompt2langgloss", 0.0, seed)

    def run(
        self,
        report: Callable[[str], None],
        stages: Collection[str],
        most: int | None = None,
    ) -> None:
        """Runs what is not there yet of some stages, at most so many runs."""
        bench = Bench(self.config)
        for run in self.plan():
            stage, name, corrupt, seed = run
            if stage not in stages or (name, corrupt, seed) in self.results(stage):
                continue
            if most == 0:
                return
            began = time.process_time()
            result = self._train(bench, run)
            result |= {"setting": name, "corrupt": corrupt, "seed": seed}
            result |= {"config": self.told(name), "cpu_seconds": time.process_time() - began}
            self.records.add(stage, result)
            most = None if most is None else most - 1
            end = result["curve"][-1]["dtw"] if result.get("curve") else None
            said = {"dev": end, **result.get("test", {})}
            report(f"{stage} {name} {corrupt:g} {seed}: {said}")

    def _train(self, bench: Bench, run: Run) -> dict:
        if run.setting == "prompt2langgloss":
            place = self.folder / f"prompted-{run.seed}"
            return {"test": whole_runs.prompted(_seeded(self.prompted, run.seed), place)}
        if run.stage == "draws":
            return draws.measure(_seeded(self.signers, run.seed), run.setting)
        if run.stage == "reader":
            way = reader_gradient.Way(**self.reader_ways[run.setting])
            return reader_gradient.measure(self._ground, way, run.seed)
        config = _seeded(self.config, run.seed)
        start, marks = None, range(1, MARKS + 1)
        if run.stage.startswith("finetune"):
            place = self.folder / f"demo-{run.seed}"
            start = whole_runs.trained(_seeded(self.demo, run.seed), place)
            config, marks = self._further(config, self.finetune[run.setting]), (0, MARKS)
        else:
            rl, loss = self.settings.get(run.setting, {}), self.controls.get(run.setting, {})
            config = _changed(config, rl=rl, loss=loss)
        config = _changed(config, data={"corrupt": run.corrupt})
        steps, last = config.train.steps, run.stage.endswith("test")
        marks = set() if last else {round(steps * n / MARKS) for n in marks}
        result = bench.train(config, marks, start)
        params = result.pop("params")
        if last:
            result["test"] = bench.test(params, run.corrupt)
            if start is not None:
                result["start"] = bench.test(start, run.corrupt)
        return result

    @functools.cached_property
    def _ground(self):
        return reader_gradient.Ground(self.sampled)

    def _further(self, config: Config, way: Mapping[str, Any]) -> Config:
        return _changed(config, train={"steps": self.finetune_steps}, **way)

    def told(self, name: str) -> dict[str, Any]:
        """What a setting's runs were: they are run again when it changes."""
        if name in draws.GROUPS:
            return draws.told(self.signers, name)
        if name in self.reader_ways:
            return {"from": self.sampled.train.steps} | dict(self.reader_ways[name])
        if name in self.finetune:
            return {"steps": self.finetune_steps, "from": self.demo.train.steps} | dict(
                self.finetune[name]
            )
        config = self.prompted if name == "prompt2langgloss" else self.config
        rows = {"steps": config.train.steps, "rows": config.train.batch_size}
        return rows | dict((self.settings | self.controls).get(name, {}))


def _seeded(config: Config, seed: int) -> Config:
    return _changed(config, train={"seed": seed})


def _changed(config: Config, **sections: Mapping[str, Any]) -> Config:
    changed = {
        name: dataclasses.replace(getattr(config, name), **values)
        for name, values in sections.items()
    }
    return dataclasses.replace(config, **changed)


def by_setting(results: Mapping[Key, dict]) -> Iterator[tuple[str, float, list[dict]]]:
    """(setting, share, results in the order of seeds) of what `Study.results` gives."""
    groups: dict[tuple[str, float], list[dict]] = {}
    for (name, corrupt, _), result in sorted(results.items(), key=lambda item: item[0][2]):
        groups.setdefault((name, corrupt), []).append(result)
    for (name, corrupt), own in groups.items():
        yield name, corrupt, own
