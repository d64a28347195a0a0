"""What is released: a wheel, built from the source archive, that works without the checkout."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import numpy as np
import pytest
from commands import TINY
from tiny_run import tiny_config, write_run

import signllm_jax
from signllm_jax.poses.files import read_clip

ROOT = Path(__file__).resolve().parents[1]


def test_the_citation_names_the_paper_and_the_version_of_the_package():
    cited = (ROOT / "CITATION.cff").read_text("utf-8")
    assert "arXiv:2405.10718" in cited
    assert re.search(r"(?m)^version: (.*)$", cited)[1] == signllm_jax.__version__


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """The unpacked wheel."""
    folder = tmp_path_factory.mktemp("released")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).exists():
            (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / "source" / name)
    build = [sys.executable, "-m", "build", "--outdir", folder, folder / "source"]
    subprocess.run(build, check=True, capture_output=True)  # the wheel from the source archive
    (wheel,) = folder.glob("*.whl")
    assert wheel.name == f"signllm_jax-{signllm_jax.__version__}-py3-none-any.whl"
    assert len(list(folder.glob("*.tar.gz"))) == 1
    zipfile.ZipFile(wheel).extractall(folder / "wheel")
    return folder / "wheel"


@pytest.fixture(scope="module")
def installed(released, tmp_path_factory):
    """The python of a clean environment that the wheel was installed into by pip."""
    place = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", place], check=True)
    (wheel,) = released.parent.glob("*.whl")
    pip = [place / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-compile"]
    locked = (ROOT / "requirements" / "demo.txt").read_text()
    versions = place.parent / "versions.txt"  # the wheel has no digest there, so none is asked for
    versions.write_text(re.sub(r" \\\n +--hash=\S+", "", locked))
    pinned = [*pip, f"{wheel}[demo]", "--constraint", versions]
    done = subprocess.run(pinned, capture_output=True, text=True)
    if "Could not find a version" in done.stderr or "Connection" in done.stderr:
        pytest.skip("pip reaches no package index")
    assert done.returncode == 0, done.stderr
    return place / "bin" / "python"


def run(released, folder, *args):
    """Runs a module on this environment's libraries, but (-S) without its editable install."""
    paths = (str(released), sysconfig.get_paths()["purelib"])
    env = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "SIGNLLM_CACHE_DIR": ""}
    return subprocess.run(
        [sys.executable, "-S", *args], cwd=folder, env=env, capture_output=True, text=True
    )


@pytest.mark.slow
def test_the_wheel_lists_its_commands_and_produces(released, data_dir, tmp_path):
    place = run(released, tmp_path, "-c", "import signllm_jax; print(signllm_jax.__file__)")
    assert place.stdout.startswith(str(released))
    listed = run(released, tmp_path, "-m", "signllm_jax")
    assert "launch.train" in listed.stdout and "launch.serve" in listed.stdout
    workdir = write_run(tmp_path / "run", tiny_config(data_dir)).path
    flags = [f"--workdir={workdir}", "--text=abc", "--language=asl"]
    for form in ("npz", "html", "glb", "mp4"):
        made = run(released, tmp_path, "-m", "launch.produce", *flags, f"--output=abc.{form}")
        assert (made.returncode, made.stderr) == (0, "")
    assert np.isfinite(read_clip(tmp_path / "abc.npz", fps=1).positions).all()


@pytest.mark.slow
def test_the_wheel_is_installed_trains_and_produces_anywhere(installed, data_dir, tmp_path):
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "SIGNLLM_DATA_DIR": data_dir}

    def module(name, *args):
        command = [installed, "-m", name, *args]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout

    assert module("pip", "check") == "No broken requirements found.\n"
    assert "python -m launch.train" in module("signllm_jax")
    small = [f"--config.{name}={value}" for name, value in TINY.items()]
    module("launch.train", "--config=configs/mlsf.py:fingerspelling", "--workdir=run", *small)
    asked = ["--workdir=run", "--text=abc"]
    for form in ("html", "glb", "gif", "pose"):
        module("launch.produce", *asked, f"--output=abc.{form}")
    code = (
        "from signllm_jax import SignLLM; print(SignLLM.load('run').produce('abc').positions.shape)"
    )
    done = subprocess.run(
        [installed, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, check=True
    )
    assert done.stderr == "" and done.stdout.endswith(", 50, 3)\n")


@pytest.mark.slow
def test_the_wheel_ships_types_and_assets(released):
    for name in ("py.typed", "render/static/player.js", "serve/static/index.html"):
        assert (released / "signllm_jax" / name).is_file()
    here = {path.relative_to(ROOT) for path in (ROOT / "signllm_jax").rglob("static/*")}
    assert here and all((released / path).is_file() for path in here)
