"""What is read is never written to: preparing a corpus leaves its folder as it was."""

import dataclasses
import sys

import pytest
from commands import run
from listing import listing
from test_prepare import PHX, corpus

from signllm_jax.core.errors import OutputError
from signllm_jax.data.prepare_corpus import prepare_corpus

# calls that would write into the corpus: arguments of prepare_corpus, below one folder
INTO_THE_CORPUS = {
    "skels over it": {"skels": "corpus"},
    "skels by a link": {"skels": "link"},
    "skels below it": {"skels": "corpus/new/skels"},
    "skels by another name": {"skels": "corpus/deep/.."},
    "data in it": {"data_dir": "corpus/data"},
    "data by a link": {"data_dir": "link/deep"},
    "parts by a link": {"data_dir": "linked"},
    "skels over the texts": {"source": "poses", "manifest": "corpus", "skels": "corpus"},
    "where old parts are deleted": {"source": "linked/prepared/gsl/other", "manifest": "texts"},
    "where old builds are deleted": {"source": "linked/prompt2sign/gsl/1", "manifest": "texts"},
}


@pytest.mark.parametrize("case", INTO_THE_CORPUS)
def test_no_output_is_written_into_a_corpus(case, tmp_path):
    read = corpus(tmp_path / "corpus", train=2)
    for name in ("corpus/deep", "poses", "linked/prepared/gsl", "linked/prompt2sign/gsl/1"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "link").symlink_to(read)
    (tmp_path / "linked" / "prepared" / "gsl" / "phx").symlink_to(read / "deep")
    (tmp_path / "linked" / "prepared" / "gsl" / "other").mkdir()
    corpus(tmp_path / "texts", train=2)
    given = {"source": "corpus", "data_dir": "data"} | INTO_THE_CORPUS[case]
    if given["source"].startswith("linked"):
        given["data_dir"] = "linked"
    settings = dataclasses.replace(PHX, source="other" if case.startswith("where") else "phx")
    given = {name: tmp_path / value for name, value in given.items()}
    before = listing(tmp_path)
    with pytest.raises(OutputError, match="write to another folder"):
        prepare_corpus(settings, workers=1, **given)
    assert listing(tmp_path) == before


def test_the_command_does_not_write_skels_over_their_source(tmp_path):
    folder = corpus(tmp_path / "corpus", train=2)
    before = listing(folder)
    flags = ["--format=skels", "--language=gsl", "--fps=25", f"--data_dir={tmp_path}/data"]
    flags += [f"--source={folder}", f"--skels={folder}"]
    code, out, err = run(tmp_path, "prepare", flags)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"prepare.py: {folder}: lies in {folder}, which is read")
    assert listing(folder) == before and not (tmp_path / "data").exists()


# commands whose output would replace what they read, all in one folder
OVER_WHAT_IS_READ = {
    "overlay": ["--video=D/a.mp4", "--pose=D/a.pose", "--output=D/a.mp4"],
    "extract": ["--videos=D", "--output=D"],
    "evaluate": ["--workdir=D", "--predictions=D/a.skels", "--output=D/a.skels"],
}


@pytest.mark.parametrize("command", OVER_WHAT_IS_READ)
def test_no_command_writes_over_what_it_reads(command, tmp_path):
    (tmp_path / "D").mkdir()
    for name in ("a.mp4", "a.pose", "a.skels"):
        (tmp_path / "D" / name).write_text("mine")
    before = listing(tmp_path / "D")
    given = [flag.replace("=D", f"={tmp_path}/D") for flag in OVER_WHAT_IS_READ[command]]
    env = {"SIGNLLM_EXTRACT_PYTHON": sys.executable}
    code, out, err = run(tmp_path, command, given, env=env)
    assert (code, out, err.count("\n")) == (2, "", 1) and "which is read" in err, err
    assert listing(tmp_path / "D") == before
