"""The table of docs/reliability.md counts tests that there are, as JUnit reports tell of them."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def reliability():
    path = ROOT / "docs" / "reliability.py"
    spec = importlib.util.spec_from_file_location("reliability", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_is_counted_is_there_and_make_runs_it(reliability):
    makefile = (ROOT / "Makefile").read_text()
    words = re.search(r"(?s)MISHAPS = (.*?)\nreliability:", makefile)[1].replace("\\", "").split()
    files = re.search(r"addsuffix \.py,(kills .*?)\)", makefile)[1].split()
    for title, (_, tests) in reliability.TRIED.items():
        for test in tests:
            file, _, name = test.partition(".")
            assert f"def {name}(" in (ROOT / "tests" / f"{file}.py").read_text(), title
            assert any(word in name for word in words if word != "or"), name
            assert file.removeprefix("test_") in files


def test_tries_of_several_reports_are_counted(reliability, tmp_path, monkeypatch, capsys):
    case = '<testcase classname="tests.{}" name="{}[{}]" time="{}">{}</testcase>'
    title = "disk full"
    (first, second) = (test.split(".") for test in reliability.TRIED[title][1])
    reports = {
        "fast": [case.format(*first, 0, 2, "")],
        "slow": [
            case.format(*second, 0, 4, "<failure/>"),
            case.format(*second, "a[b]", 9, "<skipped/>"),
        ],
    }
    for name, cases in reports.items():
        (tmp_path / name).write_text(
            f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>"
        )
    page = tmp_path / "page.md"
    page.write_text(f"before\n{reliability.START}\nstale\n{reliability.END}\nafter\n")
    monkeypatch.setattr(reliability, "PAGE", page)
    assert reliability.main([str(tmp_path / name) for name in reports]) == 1
    ends = reliability.TRIED[title][0]
    assert f"| {title} | {ends} | 2 | 1 | 3 |" in page.read_text()
    assert (
        "| a host hung | both end with exit code 3 and the host's number | 0 | 0 | not run |"
        in (page.read_text())
    )
    assert page.read_text().startswith("before\n") and page.read_text().endswith("\nafter\n")
    assert "stale" not in page.read_text()
    assert "not run: test_kills.test_killed_twice_at_random_moments" in capsys.readouterr().err
