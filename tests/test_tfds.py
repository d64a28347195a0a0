"""What needs TensorFlow, in an environment of its own that `make tfds-env` makes."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from signllm_jax.data import splits
from tfds_builders.prompt2sign import make_dummy_data

ROOT = Path(make_dummy_data.__file__).resolve().parents[2]
PROGRAMS = ROOT / ".venv-tfds" / "bin"
DUMMY = ROOT / "tfds_builders" / "prompt2sign" / "dummy_data"

pytestmark = pytest.mark.slow


def run(folder, program, *arguments):
    if not (PROGRAMS / program).exists():
        pytest.skip("there is no TensorFlow: run `make tfds-env`")
    done = subprocess.run(
        [PROGRAMS / program, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_the_builder_passes_the_tests_of_tfds(tmp_path):
    path = ROOT / "tfds_builders" / "prompt2sign" / "prompt2sign_test.py"
    options = ("-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(tmp_path))
    output = run(tmp_path, "python", "-m", "pytest", *options, str(path))
    assert "10 passed" in output and "failed" not in output


def test_what_tfds_build_writes_is_read_without_tensorflow(tmp_path):
    options = (f"--manual_dir={DUMMY}", f"--data_dir={tmp_path}", "--file_format=array_record")
    run(
        tmp_path,
        "tfds",
        "build",
        "prompt2sign/gsl",
        "--imports=tfds_builders.prompt2sign",
        *options,
    )
    for number, split in enumerate(make_dummy_data.SPLITS):
        opened = splits.open_split("prompt2sign/gsl", "gsl", split, tmp_path)
        assert [opened[i]["source"] for i in range(2)] == ["dgs-corpus", "phoenix14t"]
        np.testing.assert_array_equal(opened[0]["pose"], make_dummy_data.jumping(number))
    assert not (tmp_path / "prepared").exists()


def test_tfds_build_runs_in_the_builders_folder(tmp_path):
    folder = tmp_path / "prompt2sign"
    shutil.copytree(DUMMY.parent, folder, ignore=shutil.ignore_patterns("__pycache__"))
    options = (f"--manual_dir={DUMMY}", f"--data_dir={tmp_path / 'data'}")
    run(folder, "tfds", "build", "--config=tsl", *options)
    assert list((tmp_path / "data" / "prompt2sign" / "tsl").glob("*/*-train.tfrecord-*"))
