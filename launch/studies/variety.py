"""What models make of texts that many sign: a squared error beside a latent, by all referees.

Takes of ASL signs come from a folder with `index.csv` (id, language, text, gloss, signer) and
MediaPipe `.pose` files. Runs and prepared data are kept, and are not made again.
"""

import dataclasses
import functools
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from signllm_jax.artifacts.group import write_file
from signllm_jax.core.config import Config
from signllm_jax.core.errors import ConfigError, OutputError, SignLLMError

SETTINGS: dict[str, dict[str, Any]] = {
    "mse": {"latent": 0, "decoder": "autoregressive"},
    "latent": {"latent": 16, "decoder": "autoregressive"},
    "parallel_mse": {"latent": 0, "decoder": "parallel"},
    "parallel": {"latent": 16, "decoder": "parallel"},
    "flow": {"latent": 0, "decoder": "parallel", "flow": 8},
}
"""Way -> what `config.model` has of it."""
TRAINING: dict[str, dict[str, Any]] = {
    "rl": {"plc": False, "loss": "mse"},
    "model": {"ease": 0.2, "head": 256},
    "loss": {"noise": 0.5, "latent": 0.003},
}
"""What all ways have beside it, section by section; chosen on dev."""
TAKES: dict[str, dict[str, dict[str, Any]]] = {way: {"loss": {"latent": 0.002}} for way in SETTINGS}
TAKES["latent"] = {
    "model": {"latent": 32, "latent_moments": 8},
    "loss": {"latent": 0.001, "noise": 0.15, "history_drop": 0.1},
}
"""Way -> the settings that replace those above on takes of signs. There a text has more takes, and
some signs repeat a movement, which a take may begin at any point."""
STEPS = {
    "signers": {"mse": 4800, "latent": 4500, "parallel_mse": 4800, "parallel": 4600, "flow": 4600},
    "takes": {"mse": 3200, "latent": 3000, "parallel_mse": 3200, "parallel": 3000, "flow": 3000},
}
"""Steps of each way, so that all of them take about the same CPU seconds."""
JUDGED = {
    "signers": ("latent", "parallel", "flow", "mse", "parallel_mse"),
    "takes": ("latent", "parallel", "flow", "mse", "parallel_mse"),
}
"""Whose figures stand for a half of a seed: the first of these that was trained."""
HALVES = ("signers", "takes")
"""Of the study: one by the embedded corpus, the other by a folder of takes."""
SAMPLES = 5
"""Of every test text: four beside its four takes, and one more for the share of mixed hands."""


@dataclasses.dataclass(frozen=True)
class Options:
    """What one seed is made of.

    Attributes:
        output: file for its figures.
        seed: of all that is trained but the readers.
        work: folder where runs and prepared data are kept.
        takes: folder of takes of ASL signs, None = that half is left out.
        ways: of SETTINGS, which models are trained.
        steps: of each model and of the reader of signs, 0 = those of STEPS and the reader's own.
        data_dir: of the prepared fingerspelling, None = the usual place.
        split: what is scored: `test`, or `dev` while settings are chosen.
        halves: which of HALVES are made.
    """

    output: Path
    seed: int = 0
    work: Path = Path("runs/variety")
    takes: Path | None = None
    ways: Sequence[str] = ("mse", "latent", "parallel")
    steps: int = 0
    data_dir: str | None = None
    split: str = "test"
    halves: Sequence[str] = HALVES

    def check(self) -> None:
        """Refuses what cannot be done before anything is trained.

        Raises:
            ConfigError: an unknown way or half, or takes whose folder is not told or has no index.
            OutputError: the output is no .json, or its folder cannot be made.
        """
        if self.output.suffix != ".json":
            raise OutputError(f"cannot write to {self.output}: its name must end in .json")
        try:
            self.output.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot write to {self.output.parent}: {error.strerror}") from None
        for flag, given, known in (("ways", self.ways, SETTINGS), ("halves", self.halves, HALVES)):
            unknown = [name for name in given or ["nothing"] if name not in known]
            if unknown:
                raise ConfigError(f"--{flag}: {unknown[0]!r} is none of {', '.join(known)}")
        if tuple(self.halves) == ("takes",) and self.takes is None:
            raise ConfigError("--halves: takes need --takes")
        if self.takes is not None and not (self.takes / "index.csv").is_file():
            raise ConfigError(f"--takes: {self.takes} has no index.csv")


def make(options: Options) -> Iterator[str]:
    """Makes one seed's figures; says what is left out, and what was written."""
    options.check()
    ways, left_out = possible(options.ways)
    yield from left_out
    if not ways:
        raise ConfigError("--ways: this version has none of these models")
    found: dict[str, Any] = {"seed": options.seed}
    if "signers" in options.halves:
        found["signers"] = _signers(options, ways)
    if options.takes is None:
        yield "takes are left out: --takes names no folder"
    elif "takes" in options.halves:
        found["takes"] = _takes(options, options.takes, ways)
    write_file(options.output, (json.dumps(rounded(found), indent=1) + "\n").encode())
    yield f"{options.output}: {', '.join(ways)}"


def possible(ways: Sequence[str]) -> tuple[list[str], list[str]]:
    """The ways whose settings this version has, and a line for each that it lacks."""
    from signllm_jax.core.model_sections import ModelConfig

    has = ModelConfig.__dataclass_fields__
    lacking = {way: [name for name in SETTINGS[way] if name not in has] for way in ways}
    lines = [
        f"{way} is left out: there is no config.model.{names[0]}"
        for way, names in lacking.items()
        if names
    ]
    return [way for way in ways if not lacking[way]], lines


def config_of(way: str, dataset: str, seed: int, data_dir: str | None, steps: int) -> Config:
    """The config of a way on a data set, without a report at its end."""
    from configs import mlsf
    from signllm_jax.core.config import read_config

    config = mlsf.get_config(dataset).to_dict()
    own = {} if dataset == "fingerspelling_signers" else TAKES[way]
    for section, values in (*TRAINING.items(), ("model", SETTINGS[way]), *own.items()):
        config[section] |= values
    config["data"] |= {"languages": ("asl",), "data_dir": data_dir or ""}
    config["train"] |= {"seed": seed, "steps": steps}
    config["eval"] |= {"report": False, "samples": 0, "every": steps}  # the last are kept
    config["log"] |= {"progress": False}
    return read_config(config)


def trained(config: Config, workdir: Path, like: Path | None = None) -> float:
    """Trains a run, or what is left of it.

    Args:
        config: of the run.
        workdir: of the run.
        like: a run on the same data, whose reader of letters is taken along.

    Returns:
        Its CPU seconds.
    """
    import shutil

    from signllm_jax.artifacts.workdir import Workdir
    from signllm_jax.train.loop import train

    reader = like / "reader" if like else None
    if reader and reader.is_dir() and not workdir.exists():
        workdir.mkdir(parents=True)
        Workdir(workdir).claim(config, tuple(config.data.languages))
        shutil.copytree(reader, workdir / "reader")
    train(config, workdir)
    return json.loads((workdir / "final.json").read_text())["cpu_seconds"]


def samples(model, texts: Sequence[str], count: int, seed: int) -> list[list]:
    """Several clips of every text.

    Args:
        model: SignLLM of one language.
        texts: different ones.
        count: clips of each.
        seed: of the draws; those of other seeds are others.

    Returns:
        For every text its clips; of a model that does not draw one and the same.
    """
    (language,) = model.languages
    draws = model.describe(language).model.varies
    drawn = count if draws else 1
    requests = []
    for i, text in enumerate(texts):
        for k in range(drawn):  # a seed of its own, or all texts would be by one signer
            own = {"seed": (seed * len(texts) + i) * count + k} if draws else {}
            requests.append(model.read(text, language=language, **own))
    clips = []
    for made in model.sign(requests):
        if isinstance(made, SignLLMError):
            raise made
        clips.append(made.clip)
    return [clips[i * drawn : (i + 1) * drawn] * (count // drawn) for i in range(len(texts))]


def _signers(options: Options, ways: Sequence[str]) -> dict[str, Any]:
    """The models of many signers: figures of the judged one, of all, and of reference rows."""
    from launch.studies.variety_rows import judge_signers
    from signllm_jax.api import SignLLM

    rows = {}
    first = next((path.parent for path in sorted(options.work.glob("signers-*/reader"))), None)
    for way in ways:
        folder = options.work / f"signers-{way}-{options.seed}"
        dataset, steps = "fingerspelling_signers", options.steps or STEPS["signers"][way]
        config = config_of(way, dataset, options.seed, options.data_dir, steps=steps)
        spent = trained(config, folder, first)
        first = first or folder
        draw = functools.partial(samples, SignLLM.load(folder), count=SAMPLES, seed=options.seed)
        made = judge_signers(
            folder, options.data_dir, draw, way == judged("signers", ways), options.split
        )
        rows[way] = made | {"cpu_seconds": spent}
    return chosen("signers", rows)


def _takes(options: Options, source: Path, ways: Sequence[str]) -> dict[str, Any]:
    """The same on takes of ASL signs, which lie in `source`."""
    from launch.studies import variety_takes
    from launch.studies.variety_rows import MOST, judge_takes
    from signllm_jax.api import SignLLM

    data = variety_takes.prepared(source, options.work)
    reader = variety_takes.sign_reader(data, options.work, options.steps)
    rows = {}
    for way in ways:
        folder = options.work / f"takes-{way}-{options.seed}"
        steps = options.steps or STEPS["takes"][way]
        config = config_of(way, "prompt2sign", options.seed, str(data), steps=steps)
        spent = trained(config, folder)
        draw = functools.partial(samples, SignLLM.load(folder), count=MOST, seed=options.seed)
        made = judge_takes(folder, reader, draw, way == judged("takes", ways), options.split)
        rows[way] = made | {"cpu_seconds": spent}
    return chosen("takes", rows)


def judged(half: str, ways: Collection[str]) -> str:
    """The way whose figures stand for a half of a seed."""
    return next(way for way in (*JUDGED[half], *ways) if way in ways)


def chosen(half: str, rows: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The judged row's figures, which row that is, and all rows; reference rows stand once."""
    best = judged(half, rows)
    references = rows[best]["references"]
    own = {way: {k: v for k, v in row.items() if k != "references"} for way, row in rows.items()}
    return {**own[best], "judged": best, "rows": own, "references": references}


def rounded(value: Any) -> Any:
    """Numbers at five digits."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, Mapping):
        return {name: rounded(item) for name, item in value.items()}
    return value
