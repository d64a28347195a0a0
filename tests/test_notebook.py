"""The notebook of the documentation runs from its first cell to its last."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "docs" / "first_clips.ipynb"
RUNNER = """
import json, sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance(history_length=0)
shell.history_manager.enabled = False
for source in json.load(sys.stdin):
    shell.run_cell(source, store_history=False).raise_error()
"""


def test_the_notebook_carries_no_output_and_its_cells_are_in_order():
    book = json.loads(NOTEBOOK.read_text("utf-8"))
    code = [cell for cell in book["cells"] if cell["cell_type"] == "code"]
    assert len(code) > 6
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


@pytest.mark.slow
def test_the_notebook_runs_from_text_to_clip_to_pose_to_own_data(tmp_path):
    book = json.loads(NOTEBOOK.read_text("utf-8"))
    cells = ["".join(cell["source"]) for cell in book["cells"] if cell["cell_type"] == "code"]
    env = os.environ | {
        "PYTHONPATH": str(ROOT),
        "SIGNLLM_DATA_DIR": str(tmp_path / "data"),
        "IPYTHONDIR": str(tmp_path / "ipython"),
    }
    run = subprocess.run(
        [sys.executable, "-c", RUNNER],
        input=json.dumps(cells),
        cwd=tmp_path,
        env=env,
        text=True,
        capture_output=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    assert re.search(r"^6 of \d+ clips", run.stdout, re.M), run.stdout
    assert {"hello.mp4", "hello.pose", "clips.csv"} <= {path.name for path in tmp_path.iterdir()}
    assert (tmp_path / "data" / "prepared" / "asl" / "mine" / "prepare_report.md").exists()
