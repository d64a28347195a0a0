"""Models of texts that many people sign: a squared error beside a latent, by all referees.

Takes of ASL signs come from a folder with `index.csv` (id, language, text, gloss, signer) and
MediaPipe `.pose` files. Runs and prepared data are kept, and are not made again.
"""

import dataclasses
import functools
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from configs import mlsf
from launch.studies import sentences, variety_rows, variety_takes
from launch.studies.records import rounded, write_json
from signllm_jax.api import SignLLM
from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.config import Config, ModelConfig, read_config
from signllm_jax.core.errors import ConfigError, OutputError, SignLLMError

SETTINGS: dict[str, dict[str, Any]] = {
    "mse": {"latent": 0, "decoder": "autoregressive"},
    "latent": {"latent": 16, "decoder": "autoregressive"},
    "parallel_mse": {"latent": 0, "decoder": "parallel"},
    "parallel": {"latent": 16, "decoder": "parallel"},
    "flow": {"latent": 0, "decoder": "parallel", "flow": 8},
}
"""Way of training -> its settings in `config.model`."""
TRAINING: dict[str, dict[str, Any]] = {
    "rl": {"plc": False, "loss": "mse"},
    "model": {"ease": 0.2, "head": 256},
    "loss": {"noise": 0.5, "latent": 0.003},
}
"""Settings of all ways by section of the config; chosen on dev."""
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
"""Numbers of steps of each way, so that all of them take about the same CPU seconds."""
JUDGED = ("latent", "parallel", "flow", "mse", "parallel_mse")
"""The first of these ways that was trained gives the figures of a half of a seed."""
HALVES = ("signers", "takes")
"""Halves of the study: one uses the embedded corpus, the other a folder of takes."""
SAMPLES = 5
"""Samples of a test text: one for each of its four takes, one more for the share of mixed hands."""
DIGITS = 5
"""Significant digits of the figures in a record."""


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of one seed.

    Attributes:
        output: File for the figures of the seed.
        seed: Seed of everything that is trained but the readers.
        work: Folder where runs and prepared data are kept.
        takes: Folder of takes of ASL signs, None = that half is left out.
        ways: Keys of SETTINGS: the models to train.
        steps: Number of training steps of each model and of the sign reader, 0 = those of STEPS
            and the reader's default.
        data_dir: Folder of the prepared fingerspelling, None = the default folder.
        split: Split that is scored: `test`, or `dev` while settings are chosen.
        halves: Those of HALVES that are made.
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
        """Refuses options that cannot be met before anything is trained.

        Raises:
            ConfigError: A way or half is unknown, or takes are missing or have no index.
            OutputError: The output is no .json, or its folder cannot be made.
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
    """Makes the figures of one seed; yields lines on what is left out and what was written."""
    options.check()
    ways, left_out = possible(options.ways)
    yield from left_out
    if not ways:
        raise ConfigError("--ways: this version has none of these models")
    record: dict[str, Any] = {"seed": options.seed}
    if "signers" in options.halves:
        record["signers"] = _signers(options, ways)
    if options.takes is None:
        yield "takes are left out: --takes names no folder"
    elif "takes" in options.halves:
        record["takes"] = _takes(options, options.takes, ways)
    write_json(options.output, rounded(record, DIGITS))
    yield f"{options.output}: {', '.join(ways)}"


def possible(ways: Sequence[str]) -> tuple[list[str], list[str]]:
    """The ways whose settings this version has, and a line for each way that it lacks."""
    known = ModelConfig.__dataclass_fields__
    lacking = {way: [name for name in SETTINGS[way] if name not in known] for way in ways}
    lines = [
        f"{way} is left out: there is no config.model.{names[0]}"
        for way, names in lacking.items()
        if names
    ]
    return [way for way in ways if not lacking[way]], lines


def config_of(way: str, dataset: str, seed: int, data_dir: str | None, steps: int) -> Config:
    """The config of a way on a data set, without a report at the end of the run."""
    config = mlsf.get_config(dataset).to_dict()
    takes = {} if dataset == "fingerspelling_signers" else TAKES[way]
    for section, values in (*TRAINING.items(), ("model", SETTINGS[way]), *takes.items()):
        config[section] |= values
    config["data"] |= {"languages": ("asl",), "data_dir": data_dir or ""}
    config["train"] |= {"seed": seed, "steps": steps}
    config["eval"] |= {"report": False, "samples": 0, "every": steps}  # keeps the last parameters
    config["log"] |= {"progress": False}
    return read_config(config)


def trained(config: Config, workdir: Path, like: Path | None = None) -> float:
    """Trains a run, or the rest of it; returns the CPU seconds of the whole run.

    Args:
        config: Config of the run.
        workdir: Work directory of the run.
        like: Work directory of a run on the same data, whose letter reader is copied.

    Raises:
        TrainingError: A signal stopped the training, which has saved.
    """
    reader = like / "reader" if like else None
    if reader and reader.is_dir() and not workdir.exists():
        workdir.mkdir(parents=True)
        Workdir(workdir).claim(config, tuple(config.data.languages))
        shutil.copytree(reader, workdir / "reader")
    return sentences.trained(config, workdir)


def samples(model, texts: Sequence[str], count: int, seed: int) -> list[list]:
    """Several clips of every text.

    Args:
        model: SignLLM of one language.
        texts: Texts, all different.
        count: Number of clips of each text.
        seed: Seed of the draws; different seeds share no draw.

    Returns:
        The clips of each text; a model that does not draw has the same clip `count` times.
    """
    (language,) = model.languages
    draws = model.describe(language).model.varies
    drawn = count if draws else 1
    requests = []
    for i, text in enumerate(texts):
        for k in range(drawn):  # a seed per clip, or all texts would be by one signer
            draw = {"seed": (seed * len(texts) + i) * count + k} if draws else {}
            requests.append(model.read(text, language=language, **draw))
    clips = []
    for made in model.sign(requests):
        if isinstance(made, SignLLMError):
            raise made
        clips.append(made.clip)
    return [clips[i * drawn : (i + 1) * drawn] * (count // drawn) for i in range(len(texts))]


def _signers(options: Options, ways: Sequence[str]) -> dict[str, Any]:
    """The models of many signers: figures of the judged one, of all, and of reference rows."""

    def judge(folder, draw, with_references):
        data_dir, split = options.data_dir, options.split
        return variety_rows.judge_signers(folder, data_dir, draw, with_references, split)

    dataset = "fingerspelling_signers"
    return _half(options, "signers", ways, dataset, options.data_dir, SAMPLES, judge)


def _takes(options: Options, source: Path, ways: Sequence[str]) -> dict[str, Any]:
    """The same of models of ASL signs, whose takes are in the folder `source`."""
    data = variety_takes.prepared(source, options.work)
    reader = variety_takes.sign_reader(data, options.work, options.steps)

    def judge(folder, draw, with_references):
        return variety_rows.judge_takes(folder, reader, draw, with_references, options.split)

    return _half(options, "takes", ways, "prompt2sign", str(data), variety_rows.MOST, judge)


def _half(
    options: Options,
    half: str,
    ways: Sequence[str],
    dataset: str,
    data_dir: str | None,
    count: int,
    judge: Callable[..., dict[str, Any]],
) -> dict[str, Any]:
    """Trains the models of a half and returns their figures.

    Args:
        options: Options of the seed.
        half: Name of the half.
        ways: Models to train.
        dataset: Name of the data set.
        data_dir: Folder of the prepared data, None = the default folder.
        count: Number of samples of a text.
        judge: Returns the figures of a run, given its folder, the function that draws samples, and
            whether it makes the reference rows.
    """
    rows = {}
    first = next((path.parent for path in sorted(options.work.glob(f"{half}-*/reader"))), None)
    for way in ways:
        folder = options.work / f"{half}-{way}-{options.seed}"
        steps = options.steps or STEPS[half][way]
        spent = trained(config_of(way, dataset, options.seed, data_dir, steps), folder, first)
        first = first or folder
        draw = functools.partial(samples, SignLLM.load(folder), count=count, seed=options.seed)
        rows[way] = judge(folder, draw, way == judged(ways)) | {"cpu_seconds": spent}
    return chosen(rows)


def judged(ways: Collection[str]) -> str:
    """The way that gives the figures of a half of a seed."""
    return next(way for way in JUDGED if way in ways)


def chosen(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The figures of the judged way, its name, and the rows of all ways and references."""
    best = judged(rows)
    figures = {
        way: {k: v for k, v in row.items() if k != "references"} for way, row in rows.items()
    }
    references = rows[best]["references"]
    return {**figures[best], "judged": best, "rows": figures, "references": references}
