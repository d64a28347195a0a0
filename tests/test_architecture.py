"""The architecture as docs/architecture.md says: rooms, floors, and the length of files."""

import ast
import configparser
import functools
import importlib
import re
import runpy
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("signllm_jax", "configs", "launch", "tfds_builders")
REASON = "one job:"
"""What the first line of a file above 300 lines says, before it says which."""


def sources():
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def test_the_package_has_three_files_at_its_root():
    found = {path.name for path in (ROOT / "signllm_jax").glob("*.py")}
    assert found == {"__init__.py", "__main__.py", "api.py"}


def test_every_room_stands_on_one_of_at_most_twenty_places_of_the_floors():
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    layers = settings["importlinter:contract:floors"]["layers"].replace("|", "\n").split()
    rooms = {path.parent.name for path in (ROOT / "signllm_jax").glob("*/*.py")}
    inner = {f"signllm_jax.{room}" for room in rooms}
    assert inner | {"signllm_jax.api", *PACKAGES[1:]} == {*layers}
    assert len(layers) <= 20


def test_imports_only_point_down_and_run_in_no_circle():
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_a_file_above_300_lines_says_why_in_its_first_line():
    for path in sources():
        lines = path.read_text("utf-8").splitlines()
        assert len(lines) <= 300 or REASON in lines[0], f"{path}: {len(lines)} lines"


VAGUE = {"own", "found", "place", "each", "other", "told", "said"}
"""Names that do not say what they hold."""
KNOWN = {
    "core/model_sections.py: own",  # `config.text.own`
    "corpora/entries.py: place",  # a key of source.json
    "corpora/listings.py: other",  # of `__eq__`
}


def test_names_say_what_they_hold():
    vague = set()
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            stored = isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
            name = node.id if stored else getattr(node, "arg", None)
            if name in VAGUE and not isinstance(node, ast.keyword):
                vague.add(f"{path.parent.name}/{path.name}: {name}")
    assert vague == KNOWN


def test_the_drawing_of_the_floors_is_the_one_that_its_script_makes():
    drawn = runpy.run_path(str(ROOT / "docs" / "architecture.py"))["draw"]()
    assert (ROOT / "docs" / "architecture.svg").read_text("utf-8") == drawn


def test_the_stops_of_the_journeys_are_there():
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    stops = re.findall(r"`([a-z_.0-9]+):([\w.]+)`", page)
    assert len(stops) > 30
    for module, name in stops:
        assert callable(functools.reduce(getattr, name.split("."), importlib.import_module(module)))
    for path in re.findall(r"`(launch/\w+\.py|signllm_jax/[\w/.]+)`", page):
        assert (ROOT / path).exists(), path
