"""Splits of a corpus: by its own, by signer, or by the clip's id; the same on every machine."""

from signllm_jax.corpora.entries import Entry
from signllm_jax.corpora.split_assignment import assign_splits


def test_splits_follow_the_signer_and_do_not_depend_on_the_other_clips():
    entries = [Entry(f"clip{n}", "x", signer=f"signer{n % 60}") for n in range(600)]
    placed, how = assign_splits(entries)
    assert "signer" in how
    of_signer = {}
    for entry in placed:
        assert of_signer.setdefault(entry.signer, entry.split) == entry.split
    assert set(of_signer.values()) == {"train", "dev", "test"}
    assert assign_splits(entries[::-1])[0] == placed[::-1]


def test_segments_of_a_recording_have_one_split():
    entries = [Entry(f"s{n}", "x", files=(f"v{n % 60}",), start=n, end=n + 1) for n in range(600)]
    of_video = {}
    for entry in assign_splits(entries)[0]:
        assert of_video.setdefault(entry.files, entry.split) == entry.split
    assert set(of_video.values()) == {"train", "dev", "test"}


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
