"""The study: settings on dev with some seeds, a choice, then test once with others.

Every run's result is a file of its own; the same command goes on where it was stopped.
"""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import flax.serialization
import numpy as np

from signllm_jax.ablation.runs import Bench
from signllm_jax.config import Config
from signllm_jax.group import write_file

DEV_SEEDS = (0, 1, 2)
TEST_SEEDS = (3, 4, 5, 6, 7)
FINETUNE_STEPS = 100
FINETUNE_RATE = 3e-4
MARKS = 6  # evaluations on dev of a run

Settings = Mapping[str, Mapping[str, Any]]


@dataclasses.dataclass(frozen=True)
class Study:
    """What is run and where its results lie.

    Attributes:
        config: of the runs; `data.corrupt` is the share of the corrupted ones.
        settings: name -> what `config.rl` is; `base` and `rl_loss` among them.
        finetune: name -> what `config.rl` is in further training of the base; `mse` among them.
        folder: for results.
    """

    config: Config
    settings: Settings
    finetune: Settings
    folder: Path

    def results(self, stage: str) -> dict[tuple[str, float, int], dict]:
        """What is finished of a stage: (setting, share of damaged clips, seed) -> result."""
        found = {}
        for path in sorted(self.folder.glob(f"{stage}-*.json")):
            result = json.loads(path.read_text())
            found[result["setting"], result["corrupt"], result["seed"]] = result
        return found

    def chosen(self, stage: str, among: Settings, share: float) -> str | None:
        """The setting with the smallest mean DTW ratio at the end on dev; None = not all ran."""
        results = self.results(stage)
        means = {}
        for name in among:
            own = [results.get((name, share, seed)) for seed in DEV_SEEDS]
            if None in own:
                return None
            means[name] = np.mean([result["curve"][-1]["dtw"] for result in own])
        return min(means, key=means.get)

    def candidates(self) -> Settings:
        """The settings that are chosen among: those with the Priority Learning Channel."""
        return {name: rl for name, rl in self.settings.items() if rl.get("plc")}

    def gradients(self) -> Settings:
        """The ways of further training that are chosen among."""
        return {name: rl for name, rl in self.finetune.items() if rl}

    def run(self, report=print) -> None:
        """Runs what is not there yet."""
        bench = Bench(self.config)
        share = self.config.data.corrupt
        for seed in DEV_SEEDS:
            for name, rl in self.settings.items():
                self._run(bench, "dev", name, rl, share, seed, report)
        best = self.chosen("dev", self.candidates(), share)
        report(f"chosen on dev: {best}")
        planned = [(name, share) for name in dict.fromkeys(("base", best, "plc"))]
        planned += [("base", 0.0), (best, 0.0)]
        for seed in TEST_SEEDS:
            for name, corrupt in planned:
                self._run(bench, "test", name, self.settings[name], corrupt, seed, report)
        for seed in DEV_SEEDS:
            for name, rl in self.finetune.items():
                self._run(bench, "finetune-dev", name, rl, 0.0, seed, report)
        best = self.chosen("finetune-dev", self.gradients(), 0.0)
        report(f"chosen on dev for further training: {best}")
        for seed in TEST_SEEDS[:3]:
            for name in ("mse", best):
                rl = self.finetune[name]
                self._run(bench, "finetune-test", name, rl, 0.0, seed, report)
        for seed in TEST_SEEDS:
            for corrupt in (share, 0.0):
                rl = self.settings["rl_loss"]
                self._run(bench, "test", "rl_loss", rl, corrupt, seed, report)

    def _run(self, bench: Bench, stage, name, rl, corrupt, seed, report) -> None:
        path = self.folder / f"{stage}-{name}-{corrupt:g}-{seed}.json"
        if path.exists():
            return
        config = self._config(rl, corrupt, seed)
        start = None
        if stage.startswith("finetune"):
            start = self._base(bench, seed)
            config = _further(config)
        steps = config.train.steps
        last = stage.endswith("test")
        marks = {round(steps * (n + 1) / MARKS) for n in range(MARKS)}
        result = bench.train(config, {steps} if last else marks, start)
        params = result.pop("params")
        result |= {"setting": name, "corrupt": corrupt, "seed": seed}
        if last:
            result["test"] = bench.test(params, corrupt)
        self.folder.mkdir(parents=True, exist_ok=True)
        if name == "base" and not corrupt:
            self._keep(seed, params)
        write_file(path, json.dumps(result, indent=1).encode())
        end = {"dev": result["curve"][-1]["dtw"], **result.get("test", {})}
        report(f"{path.stem}: " + ", ".join(f"{k} {v:.4f}" for k, v in end.items()))

    def _config(self, rl, corrupt, seed) -> Config:
        config = self.config
        return dataclasses.replace(
            config,
            rl=dataclasses.replace(config.rl, **rl),
            data=dataclasses.replace(config.data, corrupt=corrupt),
            train=dataclasses.replace(config.train, seed=seed),
        )

    def _base(self, bench, seed):
        """The parameters of the base trained on clean clips."""
        path = self.folder / f"params-{seed}.msgpack"
        if not path.exists():
            config = self._config({}, 0.0, seed)
            self._keep(seed, bench.train(config, {config.train.steps})["params"])
        return flax.serialization.msgpack_restore(path.read_bytes())

    def _keep(self, seed, params) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"params-{seed}.msgpack"
        write_file(path, flax.serialization.msgpack_serialize(params))


def _further(config: Config) -> Config:
    return dataclasses.replace(
        config,
        train=dataclasses.replace(config.train, steps=FINETUNE_STEPS),
        optimizer=dataclasses.replace(config.optimizer, learning_rate=FINETUNE_RATE),
    )


def by_setting(results: dict) -> Iterator[tuple[str, float, list[dict]]]:
    """(setting, share, results in the order of seeds) of what `Study.results` gives."""
    groups: dict[tuple[str, float], list[dict]] = {}
    for (name, corrupt, _), result in sorted(results.items(), key=lambda item: item[0][2]):
        groups.setdefault((name, corrupt), []).append(result)
    for (name, corrupt), own in groups.items():
        yield name, corrupt, own
