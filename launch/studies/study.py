"""The study: settings on dev with some seeds, a choice, then test once with others.

Every finished run is a line of the records; the same command goes on where it was stopped.
"""

import dataclasses
import functools
import itertools
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from launch.studies import draws, reader_gradient, whole_runs
from launch.studies.records import Key, Records
from launch.studies.runs import Bench
from launch.studies.settings import changed
from signllm_jax.core.config import Config

DEV_SEEDS = (0, 1, 2)
TEST_SEEDS = (3, 4, 5, 6, 7)
MARKS = 6  # number of evaluations on dev in a run

Settings = dict[str, dict[str, Any]]


class Run(NamedTuple):
    """One run of the study. `corrupt` is the share of damaged train clips."""

    stage: str
    setting: str
    corrupt: float
    seed: int


@dataclasses.dataclass(frozen=True)
class Study:
    """The runs of the study and where their results are kept.

    Attributes:
        config: Config of the runs; `data.corrupt` is the share of damaged clips.
        settings: Name -> changes of `config.rl`; `base` and `rl_loss` are among them.
        controls: Name -> changes of `config.loss`, in settings without reinforcement learning.
        prompted: Config of Prompt2LangGloss, with the steps and rows of `config`.
        demo: Config of the run that further training starts from.
        finetune: Name -> changes of `config.rl` and `config.optimizer` in further training.
        finetune_steps: Number of steps of further training.
        signers: Config of the runs that show which signers the channel draws.
        sampled: Config of the short run whose samples a reader rewards.
        reader_ways: Name -> how the short run is trained further.
        records: Records of finished runs.
        folder: Folder for the work directories of whole runs.
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
        """The finished runs of a stage that had the current settings."""
        records = self.records.read(stage).items()
        return {
            key: record for key, record in records if record["config"] == self.described(key[0])
        }

    def chosen(self, stage: str, names: Iterable[str], share: float) -> str | None:
        """The setting with the smallest mean DTW ratio at the end on dev; None = not all ran."""
        results = self.results(stage)
        ends: dict[str, list[float]] = {name: [] for name in names}
        for name, seed in itertools.product(ends, DEV_SEEDS):
            if (name, share, seed) not in results:
                return None
            ends[name].append(results[name, share, seed]["curve"][-1]["dtw"])
        return min(ends, key=lambda name: float(np.mean(ends[name])))

    def best(self) -> str | None:
        """The setting chosen among those with the Priority Learning Channel; None = not all ran."""
        names = [name for name, rl in self.settings.items() if rl.get("plc")]
        return self.chosen("dev", names, self.config.data.corrupt)

    def compared(self) -> list[str]:
        """The tested settings: the paper's, and those chosen of the channel and the controls."""
        names = ("base", "rl_loss", "plc", self.best(), *self.limits())
        return list(filter(None, dict.fromkeys(names)))

    def limits(self) -> list[str]:
        """The control that was chosen of each kind, where all controls of the kind ran."""
        kinds: dict[str, list[str]] = {}
        for name, loss in self.controls.items():
            kinds.setdefault(loss["robust"], []).append(name)
        chosen = (self.chosen("dev", k, self.config.data.corrupt) for k in kinds.values())
        return list(filter(None, chosen))

    def plan(self) -> Iterator[Run]:
        """All runs, in order; runs that depend on a choice follow when it can be made."""
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
        gradients = [name for name, way in self.finetune.items() if "rl" in way]
        supervised = [name for name in self.finetune if name not in gradients]
        chosen = [self.chosen("finetune-dev", ways, 0.0) for ways in (supervised, gradients)]
        for seed, name in itertools.product(DEV_SEEDS, filter(None, chosen)):
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
        """Makes the missing runs of some stages.

        Args:
            report: Called with a line on each finished run.
            stages: Names of the stages.
            most: Greatest number of runs, None = all.
        """
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
            result |= {"config": self.described(name), "cpu_seconds": time.process_time() - began}
            self.records.add(stage, result)
            most = None if most is None else most - 1
            end = result["curve"][-1]["dtw"] if result.get("curve") else None
            figures = {"dev": end, **result.get("test", {})}
            report(f"{stage} {name} {corrupt:g} {seed}: {figures}")

    def _train(self, bench: Bench, run: Run) -> dict:
        train = {"seed": run.seed}
        if run.setting == "prompt2langgloss":
            workdir = self.folder / f"prompted-{run.seed}"
            return {"test": whole_runs.prompted(changed(self.prompted, train=train), workdir)}
        if run.stage == "draws":
            return draws.measure(changed(self.signers, train=train), run.setting)
        if run.stage == "reader":
            way = reader_gradient.Way(**self.reader_ways[run.setting])
            return reader_gradient.measure(self._ground, way, run.seed)
        if run.stage.startswith("finetune"):
            workdir = self.folder / f"demo-{run.seed}"
            start = whole_runs.trained(changed(self.demo, train=train), workdir)
            train = train | {"steps": self.finetune_steps}
            changes, marks = self.finetune[run.setting], (0, MARKS)
        else:
            rl, loss = self.settings.get(run.setting, {}), self.controls.get(run.setting, {})
            start, changes, marks = None, {"rl": rl, "loss": loss}, range(1, MARKS + 1)
        config = changed(self.config, train=train, data={"corrupt": run.corrupt}, **changes)
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

    def described(self, name: str) -> dict[str, Any]:
        """The settings of the runs of a name in the records; a run is repeated when they change."""
        if name in draws.GROUPS:
            return draws.described(self.signers, name)
        if name in self.reader_ways:
            return {"from": self.sampled.train.steps} | self.reader_ways[name]
        if name in self.finetune:
            start = self.demo.train.steps
            return {"steps": self.finetune_steps, "from": start} | self.finetune[name]
        config = self.prompted if name == "prompt2langgloss" else self.config
        rows = {"steps": config.train.steps, "rows": config.train.batch_size}
        return rows | (self.settings | self.controls).get(name, {})


def by_setting(results: Mapping[Key, dict]) -> Iterator[tuple[str, float, list[dict]]]:
    """The results of a stage, of `Study.results`, as (setting, share, results by seed)."""
    groups: dict[tuple[str, float], list[dict]] = {}
    for (name, corrupt, _), result in sorted(results.items(), key=lambda item: item[0][2]):
        groups.setdefault((name, corrupt), []).append(result)
    for (name, corrupt), runs in groups.items():
        yield name, corrupt, runs
