import numpy as np
import pytest
from damage import damaged

from signllm_jax.core.errors import DataError
from signllm_jax.corpora.manifest import Entry, assign_splits, read_manifest


def write(folder, **files):
    for name, content in files.items():
        stem, _, suffix = name.rpartition("_")
        (folder / f"{stem}.{suffix}").write_text(content, encoding="utf-8")
    return folder


def test_line_aligned_files_have_the_split_of_their_name(tmp_path):
    write(
        tmp_path,
        train_files="train/a.mp4\ntrain/b\n",
        train_text="eins  zwei\nvier\n",
        train_gloss="EINS\nVIER\n",
        val_files="c\n",
        val_text="Käse\n",
    )
    a, b, c = read_manifest(tmp_path)
    assert a == Entry("train/a", "eins zwei", "EINS", split="train", stem="train", line=0)
    assert (b.id, b.line) == ("train/b", 1)
    assert (c.split, c.gloss, c.text) == ("dev", "", "Käse")


def test_a_csv_names_its_columns_in_the_words_of_the_field(tmp_path):
    write(
        tmp_path,
        test_csv='\ufeffid|signer|annotation|translation\nx-1|S1|REGEN "|es regnet "\n',
        all_csv='path,language,text,split\ngsl/a.pose,gsl,"a, b",test\nasl/b.pose,asl,c,\n',
    )
    (entry,) = read_manifest(tmp_path / "test.csv")
    assert entry == Entry("x-1", 'es regnet "', 'REGEN "', "S1", "test")
    one, two = read_manifest(tmp_path / "all.csv")
    assert one == Entry("gsl/a", "a, b", split="test", language="gsl")
    assert (two.split, two.language) == ("", "asl")
    assert read_manifest(tmp_path) == [entry]  # of a folder only csv files named by a split


@pytest.mark.parametrize(
    "files, named",
    [
        ({"train_files": "a\nb\n", "train_text": "x\n"}, "train.text: 1 lines"),
        ({"train_files": "a\n", "train_text": "x\n", "train_gloss": "\n\n"}, "gloss: 2 lines"),
        ({"train_files": "a\n"}, "no train.text"),
        ({"train_files": "a\n\n", "train_text": "x\ny\n"}, "line 2 names no clip"),
        ({"train_files": "a\na\n", "train_text": "x\ny\n"}, "a is listed twice"),
        ({"train_csv": "id,words\na,b\n"}, "no column 'text'"),
        ({"train_csv": "id,text\na,b,c\n"}, "line 2 has 3 fields, not 2"),
        ({"train_csv": 'id,text\na,"b\n'}, "line"),
        ({"train_csv": "id,text,split\na,b,later\n"}, "unknown split 'later'"),
        ({"train_csv": ""}, "empty"),
        ({"train_csv": "id,text\n"}, "no"),
        ({}, "no <split>.files"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(tmp_path, files, named):
    write(tmp_path, **files)
    with pytest.raises(DataError, match=named) as caught:
        read_manifest(tmp_path)
    assert "\n" not in str(caught.value) and str(tmp_path) in str(caught.value)


def test_text_that_is_no_utf8_is_refused(tmp_path):
    (tmp_path / "train.files").write_text("a\n")
    (tmp_path / "train.text").write_bytes("Käse\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"train.text: byte 1 is no UTF-8"):
        read_manifest(tmp_path)
    with pytest.raises(DataError, match="no such manifest"):
        read_manifest(tmp_path / "missing.csv")


def test_hundreds_of_damaged_manifests_end_in_an_error_or_entries(tmp_path):
    rng = np.random.default_rng(0)
    whole = {
        "train.csv": 'id,text,gloss\na,Käse,K\nb,"x, y",XY\n'.encode(),
        "dev.csv": b"id|signer|annotation|translation\nc|S|A B|a b\nd|S|C|c\n",
        "dev.files": b"c\nd\n",
        "dev.text": "eins\nzwölf\n".encode(),
        "dev.gloss": b"EINS\nZWEI\n",
    }
    taken = 0
    for _ in range(500):
        name = list(whole)[rng.integers(len(whole))]
        for other, content in whole.items():
            if other.endswith(".csv") == name.endswith(".csv"):
                (tmp_path / other).write_bytes(content)
        (tmp_path / name).write_bytes(damaged(whole[name], rng))
        try:
            taken += len(read_manifest(tmp_path / name if name.endswith("csv") else tmp_path)) > 0
        except DataError as error:
            assert "\n" not in str(error) and str(tmp_path) in str(error)
    assert 50 < taken < 450


def test_splits_follow_the_signer_and_do_not_depend_on_the_other_clips():
    entries = [Entry(f"clip{n}", "x", signer=f"signer{n % 60}") for n in range(600)]
    placed, how = assign_splits(entries)
    assert "signer" in how
    of_signer = {}
    for entry in placed:
        assert of_signer.setdefault(entry.signer, entry.split) == entry.split
    assert set(of_signer.values()) == {"train", "dev", "test"}
    assert assign_splits(entries[::-1])[0] == placed[::-1]


def test_without_signers_a_tenth_is_held_out_by_the_id():
    placed, how = assign_splits([Entry(f"clip{n}", "x") for n in range(4000)])
    count = {split: sum(e.split == split for e in placed) for split in ("dev", "test")}
    assert "id" in how and all(140 < n < 260 for n in count.values())


def test_the_corpus_own_splits_come_first_and_train_is_never_empty():
    own = [Entry("a", "x", split="test"), Entry("b", "x", split="train")]
    assert assign_splits(own)[0] == own
    one_signer = [Entry(f"clip{n}", "x", signer="signer11") for n in range(3)]
    for signer in range(100):
        lone = [Entry("a", "x", signer=str(signer))]
        placed, _ = assign_splits(lone)
        assert placed[0].split == "train"
    assert {e.split for e in assign_splits(one_signer, "dev")[0]} == {"dev"}
    assert {e.split for e in assign_splits(own, "train")[0]} == {"train"}
