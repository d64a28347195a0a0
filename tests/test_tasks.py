"""The table of tasks: everything that depends on the kind of a run is asked there."""

import re
from pathlib import Path

import pytest

from signllm_jax.core.errors import ConfigError
from signllm_jax.core.tasks import SHARED, TASKS, get_info, resolve
from signllm_jax.corpora.published import CORPORA, is_spelled
from signllm_jax.train.task import Task

SOURCES = [
    path
    for folder in ("signllm_jax", "launch", "tfds_builders")
    for path in (Path(__file__).parents[1] / folder).rglob("*.py")
]


@pytest.mark.parametrize("info", TASKS.values(), ids=TASKS)
def test_every_task_names_its_trainer_and_its_report(info):
    assert issubclass(resolve(info.trainer), Task)
    assert callable(resolve(info.report))
    assert info.groups(("asl", "tsl")) == ((SHARED,) if info.shared else ("asl", "tsl"))


def test_an_unknown_task_is_refused_with_those_that_there_are():
    with pytest.raises(ConfigError, match="'text2video' is not one of mlsf, back_translation"):
        get_info("text2video")


def test_the_spelled_data_sets_are_marked_where_data_sets_are_listed():
    assert is_spelled("fingerspelling")
    assert [name for name, corpus in CORPORA.items() if corpus.spelled] == [
        name for name in CORPORA if is_spelled(name)
    ]
    assert not is_spelled("prompt2sign") and not is_spelled("prompt2sign/gsl_phoenix14t")


@pytest.mark.parametrize(
    ("pattern", "most"),
    [
        (r"\.task\s*(==|!=|in\b|not in\b)", 0),
        (r'[=!]=\s*(SPELLED|"fingerspelling"|FINGERSPELLING)', 1),  # the builder's own generator
        (r'"shared"', 1),
    ],
)
def test_no_module_asks_by_string_what_kind_of_run_or_data_set_it_has(pattern, most):
    found = [
        f"{path}:{number}: {line}"
        for path in SOURCES
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if re.search(pattern, line)
    ]
    assert len(found) <= most, "\n".join(found)
