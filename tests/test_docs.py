"""The documentation says what is so, and its site is built without a warning."""

import ast
import re
import runpy
import subprocess
import sys
from pathlib import Path

import commands
import pytest

from signllm_jax.core.skeleton import OPENPOSE50
from signllm_jax.render.save import SUFFIXES

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"


def test_the_drawing_of_the_skeleton_is_the_one_that_its_script_makes():
    drawn = runpy.run_path(str(DOCS / "skeleton.py"))["draw"]()
    assert (DOCS / "skeleton.svg").read_text("utf-8") == drawn
    assert re.findall(r">(\d+)</text>", drawn) == [str(joint) for joint in range(50)]


def test_every_suffix_and_joint_group_is_described():
    page = (DOCS / "formats.md").read_text("utf-8")
    assert all(f"`{suffix}`" in page or f"{suffix}`" in page for suffix in SUFFIXES)
    joints = OPENPOSE50.joints
    assert joints[0:2] == ("nose", "neck") and joints[2] == "right_shoulder"
    assert joints[8] == "left_hand_wrist" and joints[29] == "right_hand_wrist"


def test_every_link_inside_the_documentation_leads_somewhere():
    for page in (*DOCS.glob("*.md"), ROOT / "README.md"):
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text("utf-8")):
            if "://" not in link:
                assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_every_setting_is_described():
    made = runpy.run_path(str(DOCS / "settings.py"))
    rows = [row.split(" | ") for row in made["tables"]().splitlines() if row.startswith("| `")]
    assert len(rows) > 120 and all(len(row) == 4 and len(row[3]) > 8 for row in rows), rows
    assert ["| `train.seed`", "`0`"] in [row[:2] for row in rows]


def test_the_site_has_tables_where_a_file_says_that_the_site_has_them():
    page = (DOCS / "configuration.md").read_text("utf-8")
    made = runpy.run_path(str(DOCS / "settings.py"))["on_page_markdown"](page, None)
    assert page.count("on the site that `make docs` builds") == 2
    assert "make docs" not in made and "<!--" not in made
    assert "| `train.seed` |" in made and "All other settings stay" in made


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path):
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    made = (tmp_path / "api" / "index.html").read_text("utf-8")
    assert "produce_many" in made and "PoseClip" in made
    for page in tmp_path.rglob("*.html"):
        loaded = re.findall(
            r'<(?:script|link|img)[^>]*(?:src|href)="(https?:[^"]*)"', page.read_text()
        )
        assert loaded == [], page


@pytest.mark.slow
def test_a_command_s_page_says_what_its_help_says(tmp_path):
    made = runpy.run_path(str(DOCS / "commands.py"))
    for path in sorted((ROOT / "launch").glob("[!_]*.py")):
        listed = made["flags"](ast.parse(path.read_text("utf-8")))
        assert len(listed) or path.stem == "benchmark"
        _, out, _ = commands.run(tmp_path, path.stem, ["--helpshort"])
        said = " ".join(out.split())
        page = made["pages"]()[path.stem]
        for name, _, _, words in listed:
            assert f"--{name}:" in said or f"]{name}:" in said, (path.stem, name)
            assert " ".join(words.split()) in said.replace("- ", "-") and f"`--{name}`" in page


def test_the_readme_is_short_and_has_a_moving_picture():
    text = (ROOT / "README.md").read_text("utf-8")
    assert len(text) <= 6000 and "(docs/demo.gif)" in text
    assert "launch/produce.py --text=hello --language=asl --output=hello.mp4" in text
