"""What may differ when a run goes on, and what happens then."""

import dataclasses

from signllm_jax.core.config import Config, to_dict

MAY_CHANGE = {
    "train.steps": "more steps: the run goes on to them; fewer are refused",
    "train.language_steps": "more steps, per language",
    "optimizer.schedule": "only together with more steps, for example to `constant`",
    "mesh": "the same numbers up to rounding, on other devices",
    "log": "what is logged how often",
    "checkpoint": "how often a checkpoint is saved, and how many are kept",
    "data.data_dir": "another folder with the same data; other data is refused",
    "data.plan": "nothing: a run keeps the plan of rows that it began with",
    "data.threads": "speed",
    "data.prefetch": "speed",
    "data.cache_mb": "speed and memory",
    "data.max_bad": "how many damaged train clips are skipped before the run ends",
    "eval.report": "whether a test report is written at the end",
    "eval.samples": "clips that are rendered at the end",
}
"""Setting or section -> what its change does; all other settings stay."""
_LONGER = ("train.steps", "train.language_steps", "optimizer.schedule")


def first_difference(mine: Config, held: Config, languages: tuple[str, ...]) -> str | None:
    """Names the setting that keeps the run of config `held` from resuming with config `mine`.

    Args:
        mine: The requested config.
        held: The config of the run.
        languages: Codes of the languages that the run trains.

    Returns:
        The first difference that is not allowed, as a part of a sentence, or None.
    """
    lengths = [(_steps(held, code), _steps(mine, code)) for code in (*languages, "")]
    shorter = any(new < old for old, new in lengths)
    longer = not shorter and any(new > old for old, new in lengths)
    for name, new, old in _values(to_dict(mine), to_dict(held)):
        if new == old or (longer and name in _LONGER):
            continue
        if name in _LONGER or not {name, name.partition(".")[0]} & set(MAY_CHANGE):
            more = "; a run goes on to more steps, not to fewer" if "steps" in name else ""
            return f"config.{name} is {old!r} there, {new!r} here{more}"
    return None


def going_on(mine: Config, held: Config) -> Config:
    """The config with which a run of config `held` resumes if `mine` is requested."""
    return dataclasses.replace(mine, data=dataclasses.replace(mine.data, plan=held.data.plan))


def _steps(config: Config, code: str) -> int:
    return config.train.language_steps.get(code, config.train.steps)


def _values(mine: dict, held: dict):
    """(name, value here, value there) of every setting."""
    for section, values in mine.items():
        if isinstance(values, dict):
            for key, value in values.items():
                yield f"{section}.{key}", value, held[section][key]
        else:
            yield section, values, held[section]
