"""What is installed: by digest, as setup.cfg asks, one pip at a time, and never half."""

import configparser
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
LOCKED = sorted(p for p in (ROOT / "requirements").glob("*.txt") if p.stem != "peer")
# file -> the extras of setup.cfg that it holds
EXTRAS = {
    "demo": ("demo", "eval", "serve"),
    "test": ("demo", "docs", "eval", "serve", "test"),
    "pods": ("demo", "eval", "gcs", "tpu"),
    "beam": ("beam", "demo"),
}
PYTHONS = ("3.11", "3.12", "3.13")


def entries(path):
    """The requirements of a file, each with its number of digests."""
    joined = path.read_text().replace("\\\n", " ").splitlines()
    for line in joined:
        requirement, *digests = line.split(" --hash=")
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}\s*", digest) for digest in digests)
        yield Requirement(requirement), len(digests)


@pytest.mark.parametrize("path", LOCKED, ids=lambda path: path.stem)
def test_every_package_is_one_version_with_digests_and_no_place(path):
    named = list(entries(path))
    assert named and all(digests for _, digests in named)
    assert all(re.fullmatch(r"==[^*,]+", str(each.specifier)) for each, _ in named)
    assert not any(each.url for each, _ in named)


@pytest.mark.parametrize("name", EXTRAS)
@pytest.mark.parametrize("python", PYTHONS)
def test_what_is_locked_is_what_setup_cfg_asks_for(name, python):
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    extras = setup["options.extras_require"]
    asked = [setup["options"]["install_requires"], *(extras[extra] for extra in EXTRAS[name])]
    environment = {"python_version": python, "python_full_version": f"{python}.9"}
    held = {
        canonical(each.name): each
        for each, _ in entries(ROOT / "requirements" / f"{name}.txt")
        if not each.marker or each.marker.evaluate(environment)
    }
    for line in "\n".join(asked).split("\n"):
        if line.strip():
            wanted = Requirement(line.strip())
            (pin,) = held[canonical(wanted.name)].specifier
            assert wanted.specifier.contains(pin.version), f"make lock: {line.strip()}"


def test_demo_and_image_hold_the_versions_that_are_tested():
    locked = ROOT / "requirements" / "test.txt"
    tested = {(each.name, str(each.marker)): each for each, _ in entries(locked)}
    for name in ("demo", "pods"):
        for each, _ in entries(ROOT / "requirements" / f"{name}.txt"):
            other = tested.get((each.name, str(each.marker)), each)
            assert str(other.specifier) == str(each.specifier)


def test_the_image_is_named_by_digest_and_runs_as_nobody_in_particular():
    lines = (ROOT / "launch" / "pods" / "Dockerfile").read_text().splitlines()
    (base,) = (line for line in lines if line.startswith("ARG BASE="))
    assert re.search(r"@sha256:[0-9a-f]{64}$", base)
    assert lines[-1].startswith("USER ") and "root" not in lines[-1]
    assert all(
        "--require-hashes" in line or "--no-deps" in line for line in lines if "pip i" in line
    )


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


STUB = """#!/bin/sh
# in python's place: makes environments of itself and notes what it is asked for
log="{folder}/log"
case "$*" in
"-m venv "*)
  mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; echo venv >> "$log"
  if test -e "{folder}/kill-venv"; then rm "{folder}/kill-venv"; kill -9 0; fi
  touch "$3/pip" ;;
"-m pip "*)
  test -e "$(dirname "$0")/../pip" || {{ echo "no pip" >> "$log"; exit 1; }}
  mkdir "{folder}/busy" 2>/dev/null || echo "two pips" >> "$log"
  if test -e "{folder}/kill-pip"; then rm -r "{folder}/kill-pip" "{folder}/busy"; kill -9 0; fi
  if test -e "{folder}/fail-pip"; then rm -r "{folder}/fail-pip" "{folder}/busy"; exit 1; fi
  sleep 0.02; rmdir "{folder}/busy"; echo "pip $*" >> "$log" ;;
"-c "*) ;;
*) echo "$*" >> "$log" ;;
esac
"""


@pytest.fixture
def make(tmp_path):
    """Runs make in a copy of the Makefile, with a stub for python; gives what was asked of it."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "requirements").mkdir()
    for name in ("setup.cfg", "pyproject.toml", *(f"requirements/{p.name}" for p in LOCKED)):
        (tmp_path / name).touch()
    stub = tmp_path / "python3"
    stub.write_text(STUB.format(folder=tmp_path))
    stub.chmod(0o755)

    def make(*args, code=0):
        (tmp_path / "log").write_text("")
        done = subprocess.run(
            ["make", *args, f"PYTHON={stub}"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            start_new_session=True,  # the stub kills its whole group
        )
        assert done.returncode == code, done.stderr
        return (tmp_path / "log").read_text().splitlines()

    return make


def test_a_python_that_is_too_old_is_told_in_one_line(make, tmp_path):
    stub = tmp_path / "python3"
    stub.write_text(
        f"#!{sys.executable}\nimport sys\nsys.version_info = (3, 9, 1)\nexec(sys.argv[2])"
    )
    done = subprocess.run(
        ["make", "install", f"PYTHON={stub}"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 2 and not (tmp_path / ".venv").exists()
    assert done.stderr.startswith("Python 3.9 is too old: make install PYTHON=python3.12")


def test_the_check_of_a_gpu_fails_in_one_line_where_there_is_none():
    done = subprocess.run(
        ["make", "--old-file=.venv/test-installed", "gpu-check", f"RUN={sys.executable}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        # not as a part of the make that runs the tests
        env={k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
        | {"JAX_PLATFORMS": "cpu"},
    )
    told, *rest = done.stderr.splitlines()
    assert (done.returncode, done.stdout, len(rest)) == (2, "", 1), done.stderr
    assert told.startswith("jax sees no GPU, but [CpuDevice(id=0)]: is the extra cuda installed")


def test_two_targets_at_once_run_one_pip_at_a_time(make):
    asked = make("-j2", "demo", "test")
    assert asked.count("venv") == 1 and "two pips" not in asked
    assert sum("launch/train.py" in line or "-m pytest" in line for line in asked) == 2
    assert len([line for line in asked if line.startswith("pip")]) == 4
    again = make("-j2", "demo", "test")
    assert "venv" not in again and not any(line.startswith("pip") for line in again)


@pytest.mark.parametrize("moment", ["kill-venv", "kill-pip"])
def test_a_make_that_is_killed_leaves_nothing_half(make, tmp_path, moment):
    (tmp_path / moment).touch()
    killed = make("demo", code=-signal.SIGKILL)
    assert "launch/train.py" not in " ".join(killed)
    asked = make("demo")
    assert asked[0] == "venv" and "no pip" not in asked
    assert "launch/train.py" in asked[-1]


def test_a_pip_that_fails_leaves_the_environment(make, tmp_path):
    make("demo")
    (tmp_path / "setup.cfg").write_text("changed")
    (tmp_path / "fail-pip").touch()
    make("demo", code=2)
    asked = make("demo")
    assert "venv" not in asked and "launch/train.py" in asked[-1]


def test_an_environment_apart_is_made_anew_after_a_kill(make, tmp_path):
    (tmp_path / "kill-pip").touch()
    make("extract-env", code=-signal.SIGKILL)
    assert not (tmp_path / ".venv-extract" / "installed").exists()
    asked = make("extract-env")
    assert asked[0] == "venv" and "no pip" not in asked
    assert "requirements/extract.txt" in asked[-1] and make("extract-env") == []


def test_an_environment_of_the_user_is_not_removed(make, tmp_path):
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "notes").write_text("mine")
    (tmp_path / "kill-pip").touch()
    make("demo", code=-signal.SIGKILL)
    make("demo")
    assert (tmp_path / ".venv" / "notes").read_text() == "mine"
