"""Reads plain values of a file into the frozen dataclass that is the file's schema.

The type of a field is the type of its value; the metadata of `bounded` are its limits. Untrusted
files are read this way too, so error messages are short, and nothing large is built before its size
is checked.
"""

import contextlib
import dataclasses
import functools
import json
import reprlib
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np

from signllm_jax.core.errors import ConfigError

T = TypeVar("T")
LONGEST = 1 << 16
"""Most characters of a text."""


def bounded(default: Any = dataclasses.MISSING, low=None, high=None, choices=None) -> Any:
    """A field with a closed range or a set of choices.

    Args:
        default: Default of the field; without it the field is required.
        low: Least value.
        high: Greatest value.
        choices: Allowed values, instead of a range.
    """
    return dataclasses.field(default=default, metadata=limits(low, high, choices))


def limits(low=None, high=None, choices=None) -> dict[str, Any]:
    """The metadata of a field with a closed range or a set of choices, see `bounded`."""
    return {"low": low, "high": high, "choices": choices}


def parse_json(data: bytes) -> Any:
    """The values of a JSON file; raises ConfigError where it is damaged or nested too deeply."""
    try:
        return json.loads(data)
    except RecursionError:
        raise ConfigError("is nested too deeply") from None
    except ValueError as error:  # also bytes that are no UTF-8, and numbers of too many digits
        raise ConfigError(f"is no JSON ({error})") from None


def read_as(cls: type[T], values: Any, where: str, strict: bool = True) -> T:
    """An object of a dataclass from nested mappings and lists.

    Args:
        cls: Dataclass whose fields are numbers, texts, tuples, mappings from texts, arrays
            (float32), other such dataclasses, or unions of these.
        values: Parsed JSON, or a ConfigDict's `to_dict()`.
        where: Name of the object, for errors.
        strict: Whether a key without a field is refused; otherwise it is ignored.

    Raises ConfigError naming the value that is missing, unknown, of another type or out of range.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where}: expected a section, not {reprlib.repr(values)}")
    fields, hints = _fields(cls)
    unknown = [key for key in values if key not in fields]
    if strict and unknown:
        known = ", ".join(fields)
        raise ConfigError(f"unknown config key {where}.{_short(unknown[0])}: known are {known}")
    read = {}
    for name, field in fields.items():
        if name in values:
            path = f"{where}.{name}"
            read[name] = _typed(values[name], hints[name], path, strict)
            _check_limits(read[name], field.metadata, path)
        elif field.default is field.default_factory is dataclasses.MISSING:
            raise ConfigError(f"{where}.{name}: is missing")
    return cls(**read)


@functools.cache
def _fields(cls):
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}
    return fields, typing.get_type_hints(cls)


def _typed(value, hint, where, strict):
    origin, args = typing.get_origin(hint) or hint, typing.get_args(hint)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return read_as(hint, value, where, strict)
    if origin in (types.UnionType, typing.Union):
        return _one_of(value, args, where, strict)
    if origin is tuple and isinstance(value, (tuple, list)):
        if args[-1] is not Ellipsis and len(value) != len(args):
            raise ConfigError(f"{where}: expected {len(args)} values, not {len(value)}")
        return tuple(_typed(v, args[0], f"{where}[{i}]", strict) for i, v in enumerate(value))
    if origin is dict and isinstance(value, Mapping):
        return {
            str(k): _typed(v, args[1], f"{where}.{_short(k)}", strict) for k, v in value.items()
        }
    if origin is np.ndarray and isinstance(value, (list, np.ndarray)):
        return _array(value, where)
    if hint is float and type(value) is int and abs(value) < 1 << 1000:
        return float(value)
    if hint in (int, float, str, bool, types.NoneType, object) and isinstance(value, hint):
        if isinstance(value, str) and len(value) > LONGEST:
            raise ConfigError(f"{where}: a text of more than {LONGEST} characters")
        if hint in (bool, object) or not isinstance(value, bool):
            return value
    name = getattr(hint, "__name__", str(hint))
    raise ConfigError(f"{where}: expected {name}, not {reprlib.repr(value)}")


def _one_of(value, hints, where, strict):
    if value is not None:  # then the error is about the value, and not about None
        hints = [hint for hint in hints if hint is not types.NoneType]
    for hint in hints[:-1]:
        with contextlib.suppress(ConfigError):
            return _typed(value, hint, where, strict)
    return _typed(value, hints[-1], where, strict)


def _array(value, where):
    try:
        array = np.asarray(value, np.float32)
    except (ValueError, TypeError, OverflowError):
        array = np.array(np.nan)
    if not np.isfinite(array).all():
        raise ConfigError(f"{where}: expected finite numbers, not {reprlib.repr(value)}")
    return array


def _check_limits(value, limits, where):
    low, high, choices = (limits.get(key) for key in ("low", "high", "choices"))
    if value is None:
        return
    if choices is not None and value not in choices:
        raise ConfigError(f"{where}: {reprlib.repr(value)} is not one of {', '.join(choices)}")
    if low is not None and not low <= value <= high:  # also refuses NaN
        raise ConfigError(f"{where}: {reprlib.repr(value)} is outside {low}..{high}")


def _short(key: Any) -> str:
    return str(key) if isinstance(key, str) and len(key) <= 40 else reprlib.repr(key)
