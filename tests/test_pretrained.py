"""The model that comes with the package."""

import hashlib
import io
import json

import pytest
from commands import run

from signllm_jax import SignLLM
from signllm_jax.artifacts.export import CARD, MANIFEST, PRETRAINED
from signllm_jax.core.errors import TextError
from signllm_jax.corpora.letters import LANGUAGES
from signllm_jax.poses.cues import spelling

MOST = 10_000_000


def test_it_is_small_whole_and_has_a_card():
    files = [path for path in PRETRAINED.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= MOST
    told = json.loads((PRETRAINED / MANIFEST).read_text())
    listed = {*told["files"], MANIFEST, CARD}
    assert {path.relative_to(PRETRAINED).as_posix() for path in files} == listed
    for name, sha256 in told["files"].items():
        assert hashlib.sha256((PRETRAINED / name).read_bytes()).hexdigest() == sha256
    assert told["stored"] == "int8" and told["command"] == "make pretrained"


def test_its_card_has_the_figures_of_its_run():
    told = json.loads((PRETRAINED / MANIFEST).read_text())
    card = (PRETRAINED / CARD).read_text()
    assert {*told["reports"]} == {*LANGUAGES}
    for code, figures in told["reports"].items():
        assert figures["cer"] < 0.05 and figures["dtw_mean_pose_ratio"] < 0.2
        assert f"| {code}" in card


def test_it_is_what_is_loaded_without_a_path():
    model = SignLLM.load()
    assert {*model.languages} == {*LANGUAGES}
    assert repr(model).startswith("<SignLLM: asl, gsl, dsgs, tsl; 5,")
    assert "fingerspelling_texts" in repr(model)


def test_texts_come_through_a_pipe_and_are_called_by_their_lines(monkeypatch):
    from launch.produce import read_texts

    monkeypatch.setattr("sys.stdin", io.StringIO("cat\n\n  hello you \n"))
    assert read_texts("-") == [("standard input:1", "cat"), ("standard input:3", "hello you")]
    with pytest.raises(TextError, match="standard input: has no text"):
        read_texts("-")
    with pytest.raises(TextError, match=r"^nowhere\.txt: No such file"):
        read_texts("nowhere.txt")


@pytest.mark.slow
def test_the_commands_use_it(tmp_path):
    flags = ["--text=hello", "--language=American Sign Language", "--output=hello.vtt"]
    code, out, err = run(tmp_path, "produce", flags, cwd=tmp_path)
    assert (code, err) == (0, "") and "h-e-l-l-o, fingerspelled in the ASL alphabet" in out
    (tmp_path / "texts.txt").write_text("cat\n\nroom 12\nhello my dear friends\n")
    flags = ["--texts=texts.txt", "--language=dgs", "--form=npz", "--output=many"]
    code, out, err = run(tmp_path, "produce", flags, cwd=tmp_path)
    assert code == 2 and "texts.txt:3: cannot spell" in err and err.count("\n") == 1
    assert {path.name for path in (tmp_path / "many").iterdir()} == {
        "1-cat.npz",
        "3-hello-my-dear-friends.npz",
    }
    assert "2 clips of 3 texts" in out
    code, _, err = run(tmp_path, "produce", [*flags[:3], "--output=a.mp4"], cwd=tmp_path)
    assert code == 2 and "--texts makes a folder" in err and not (tmp_path / "a.mp4").exists()


@pytest.mark.slow
def test_it_spells_sentences_by_their_words():
    clip = SignLLM.load().produce("hello my dear old friends", "asl")
    assert spelling(clip.cues) == "h-e-l-l-o m-y d-e-a-r o-l-d f-r-i-e-n-d-s"
    assert clip.ended and clip.cues[-1].end == pytest.approx(clip.seconds)
