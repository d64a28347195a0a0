"""Corpora in the layout of their downloads, by the commands that docs/manifests.md names.

Everything in them is invented: a signer who waves, and a few rows in the exact form of the labels.
"""

import json
import re
import shlex

import numpy as np
import pytest
from commands import run
from documented import ROOT, blocks
from test_clean import waving
from test_dialects import elan

from signllm_jax.data import splits
from signllm_jax.poses.openpose import write_openpose
from signllm_jax.poses.pose_file import write_pose_file


def commands(corpus):
    """The arguments of the commands that the page shows for a corpus, and of the check."""
    text = blocks(ROOT / "docs" / "manifests.md")[-1].replace("\\\n", " ")
    first, *lines = text.splitlines()
    names = dict(re.findall(r"([A-Z0-9]+)=([\w./-]+)", first))
    for name, value in names.items():
        lines = [line.replace(f"${name}", value) for line in lines]
    found = [shlex.split(line)[1:] for line in lines if corpus in line]
    assert len(found) == 1
    return found[0], shlex.split(lines[-1])[1:]


def pose(path, frames=60):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_pose_file(path, waving(frames))


def how2sign(top):
    base = top / "How2Sign" / "sentence_level" / "train"
    labels = base / "text/en/raw_text/re_aligned/how2sign_realigned_train.csv"
    labels.parent.mkdir(parents=True)
    rows = "".join(
        f"v\tv-1-rgb_front\tv_{n}\tv_{n}-1-rgb_front\t{n}.5\t{n + 1}.5\tSentence {n}.\n"
        for n in range(3)
    )
    labels.write_text(
        "VIDEO_ID\tVIDEO_NAME\tSENTENCE_ID\tSENTENCE_NAME\tSTART_REALIGNED\tEND_REALIGNED\tSENTENCE\n"
        + rows
    )
    for n in range(3):
        folder = base / "rgb_front/features/openpose_output/json" / f"v_{n}-1-rgb_front"
        folder.mkdir(parents=True)
        write_openpose(folder.with_suffix(".json"), waving(30))
        frames = json.loads(folder.with_suffix(".json").read_text())
        folder.with_suffix(".json").unlink()
        for number, frame in enumerate(frames):
            (folder / f"v_{n}-1-rgb_front_{number:012d}_keypoints.json").write_text(
                json.dumps(frame)
            )
    return {"train": ["Sentence 0.", "Sentence 1.", "Sentence 2."]}, None


def phoenix(top):
    manual = top / "PHOENIX-2014-T" / "annotations" / "manual"
    manual.mkdir(parents=True)
    header = "name|video|start|end|speaker|orth|translation\n"
    for split in ("train", "dev", "test"):
        row = (
            f"{split}-1|{split}-1/1/*.png|-1|-1|Signer01|__ON__ loc-NORD REGEN|im norden {split}\n"
        )
        (manual / f"PHOENIX-2014-T.{split}.corpus.csv").write_text(header + row)
        pose(top / "PHOENIX-2014-T" / "poses" / split / f"{split}-1.pose")
    other = (manual / "PHOENIX-2014-T.train.corpus.csv").read_text()
    (manual / "PHOENIX-2014-T.train-complex-annotation.corpus.csv").write_text(other)
    return {split: [f"im norden {split}"] for split in ("train", "dev", "test")}, "NORD REGEN"


def autsl(top):
    labels = top / "AUTSL" / "labels"
    labels.mkdir(parents=True)
    (labels / "SignList_ClassId_TR_EN.csv").write_text("ClassId,TR,EN\n0,abla,sister\n")
    for split, folder in (("train", "train"), ("validation", "val"), ("test", "test")):
        (labels / f"{split}_labels.csv").write_text(f"signer{len(split)}_sample1,0\n")
        pose(top / "AUTSL" / "poses" / folder / f"signer{len(split)}_sample1_color.pose")
    return {split: ["abla"] for split in ("train", "dev", "test")}, "abla"


def dgs(top):
    (top / "DGS" / "eaf").mkdir(parents=True)
    elan(
        top / "DGS" / "eaf" / "1413451-1-2.eaf",
        {
            "Deutsche_Übersetzung_A": [(0, 1200, "Ich gehe."), (1200, 2400, "Du gehst.")],
            "Lexem_Gebärde_r_A": [(100, 1100, "ICH1*"), (1300, 2300, "$GEST-OFF^")],
        },
    )
    pose(top / "DGS" / "poses" / "1413451-1-2_1a1.pose")
    return {"train": ["Ich gehe.", "Du gehst."]}, "ICH1"


@pytest.mark.slow
@pytest.mark.parametrize(
    "corpus, make, language",
    [
        ("how2sign", how2sign, "asl"),
        ("phoenix14t", phoenix, "gsl"),
        ("autsl", autsl, "tsl"),
        ("dgs-corpus", dgs, "gsl"),
    ],
)
def test_a_corpus_goes_from_its_download_to_the_check(tmp_path, corpus, make, language):
    expected, gloss = make(tmp_path)
    prepare, check = commands(f"--name={corpus}")
    prepare = [
        re.sub(r"^(--(?:source|manifest)=)", rf"\1{tmp_path}/", argument) for argument in prepare
    ]
    data = tmp_path / "data"
    code, out, err = run(tmp_path, "prepare", [*prepare, f"--data_dir={data}", "--workers=1"])
    assert code == 0, err
    assert "lost" not in out
    opened = {
        split: splits.open_split(f"prompt2sign/{language}_{corpus}", language, split, data)
        for split in expected
    }
    assert {split: sorted(clips.texts) for split, clips in opened.items()} == {
        split: sorted(texts) for split, texts in expected.items()
    }
    if gloss:
        assert gloss in {opened["train"][n]["gloss"] for n in range(len(opened["train"]))}
    code, out, err = run(tmp_path, "prepare", [*check, f"--data_dir={data}"])
    assert code == 0 and language in out.splitlines()[-1], err


def test_segments_have_the_frames_of_their_times(tmp_path):
    from signllm_jax.corpora.prepare import Settings
    from signllm_jax.data.prepare_corpus import prepare_corpus

    clip = waving(100)
    pose(tmp_path / "src" / "v.pose", 100)
    (tmp_path / "all.csv").write_text(
        "id,text,start,end,split\nv,one,0,2,train\nv,two,2,4,train\nv,three,3,4.5,train\n"
        "v,late,9,10,train\nv,milliseconds,0,2000,train\n"
    )
    report = prepare_corpus(
        Settings("asl", "t", "pose"), tmp_path / "src", tmp_path, manifest=tmp_path / "all.csv"
    )
    assert report["lost_by_reason"] == {
        "its segment begins after the end of its file": 1,
        "its segment ends far beyond its file: are its times in seconds?": 1,
    }
    assert report["repairs"]["segments that end after their file"] == 1
    opened = splits.open_split("prompt2sign/asl_t", "asl", "train", tmp_path)
    lengths = {opened.texts[n]: len(opened.clip(n)) for n in range(len(opened))}
    assert lengths == {"one": 50, "two": 50, "three": 25}
    wrist = clip.skeleton.index("right_wrist")
    for text, start in (("one", 0), ("two", 50)):
        made = opened.clip(opened.texts.index(text)).positions[:, wrist, 1]
        there = clip.positions[start : start + 50, wrist, 1]
        assert np.corrcoef(made, there)[0, 1] > 0.99
