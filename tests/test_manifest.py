"""Label files: what each row says, which rows are odd, and what cannot be read at all."""

import json
from pathlib import Path

import numpy as np
import pytest
from damage import damaged

from signllm_jax.core.errors import ConfigError, DataError
from signllm_jax.corpora.entries import Entry, clip_id, seconds
from signllm_jax.corpora.manifest import Reading, read_manifest


def write(folder, **files):
    for name, content in files.items():
        stem, _, suffix = name.rpartition("_")
        (folder / f"{stem}.{suffix}").write_text(content, encoding="utf-8")
    return folder


def reasons(manifest):
    return [row.reason for row in manifest.odd]


def test_line_aligned_files_have_the_split_of_their_name(tmp_path):
    write(
        tmp_path,
        train_files="train/a.mp4\ntrain/b\n",
        train_text="eins  zwei\nvier\n",
        train_gloss="EINS\nVIER\n",
        val_files="c\n",
        val_text="Käse\n",
    )
    found = read_manifest(tmp_path)
    a, b, c = found.entries
    assert a == Entry("train/a", "eins zwei", "EINS", split="train", stem="train", line=0)
    assert (b.id, b.line) == ("train/b", 1)
    assert (c.split, c.gloss, c.text) == ("dev", "", "Käse")
    assert found.dialects == ("lines",)


def test_a_csv_names_its_columns_in_the_words_of_the_field(tmp_path):
    write(
        tmp_path,
        test_csv='\ufeffid|signer|annotation|translation\nx-1|S1|REGEN "|es regnet "\n',
        all_csv='path,language,text,split\ngsl/a.pose,gsl,"a, b",test\nasl/b.pose,asl,c,\n',
    )
    (entry,) = read_manifest(tmp_path / "test.csv").entries
    assert entry == Entry("x-1", 'es regnet "', 'REGEN "', "S1", "test")
    one, two = read_manifest(tmp_path / "all.csv").entries
    assert one == Entry("gsl/a", "a, b", split="test", language="gsl")
    assert (two.split, two.language) == ("", "asl")
    assert read_manifest(tmp_path).entries == [entry]  # of a folder only files named by a split


@pytest.mark.parametrize(
    "files, named",
    [
        ({"train_files": "a\nb\n", "train_text": "x\n"}, "train.text: 1 lines"),
        ({"train_files": "a\n", "train_text": "x\n", "train_gloss": "\n\n"}, "gloss: 2 lines"),
        ({"train_files": "a\n"}, "no train.text"),
        ({"train_csv": "id,utterance\na,b\n"}, "no column 'text'.*--text_column"),
        ({"train_csv": "utterance,take\na,b\n"}, "no column 'id'.*; no column 'text'"),
        ({"train_csv": "id,text,text\na,b,c\n"}, "'text' stands there twice"),
        ({"train_csv": ""}, "empty"),
        ({"train_csv": "id,text\n"}, "no"),
        ({}, "no <split>.files"),
    ],
)
def test_what_cannot_be_read_at_all_is_refused_in_one_line(tmp_path, files, named):
    write(tmp_path, **files)
    with pytest.raises(DataError, match=named) as caught:
        read_manifest(tmp_path)
    assert "\n" not in str(caught.value) and str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    "row, reason",
    [
        (",x,train", "no id"),
        (".mp4,x,train", "no id"),
        ("b,x", "a row with too few fields"),
        ("b,x,train,more", "a row with too many fields"),
        ("b,x,extra", "unknown split 'extra'"),
        ("a,x,train", "listed twice"),
        ("a.MOV,y,train", "listed twice with another text"),
        ('b,"x,train', "a quote that is not closed"),
        ('b,"x"y,train', "a quote in the wrong place"),
    ],
)
def test_an_odd_row_costs_that_row(tmp_path, row, reason):
    write(tmp_path, all_csv=f"id,text,split\na,x,train\n{row}\nc,z,dev\n")
    found = read_manifest(tmp_path / "all.csv")
    assert [entry.id for entry in found.entries] == ["a", "c"]
    assert reasons(found) == [reason]
    assert found.odd[0].place.split(".")[-1] == "csv line 3"


def test_two_open_quotes_cost_their_two_rows(tmp_path):
    write(tmp_path, all_csv='id,text\na,"x\nb,y\nc,"z\nd,w\n')
    found = read_manifest(tmp_path / "all.csv")
    assert [entry.id for entry in found.entries] == ["b", "d"]
    assert reasons(found) == ["a quote that is not closed"] * 2


def test_quotes_line_breaks_and_empty_columns_of_spreadsheets_are_no_faults(tmp_path):
    write(tmp_path, all_csv='id,text,,\na,"two\nlines, ""quoted""",,\n,,,\nb,an inch is 1",,\n')
    found = read_manifest(tmp_path / "all.csv")
    assert [e.text for e in found.entries] == ['two lines, "quoted"', 'an inch is 1"']
    assert not found.odd


def test_an_odd_line_of_line_aligned_files_costs_that_line(tmp_path):
    write(tmp_path, train_files="a\n\na\nb\n", train_text="x\ny\nx\nz\n")
    found = read_manifest(tmp_path)
    assert [(entry.id, entry.line) for entry in found.entries] == [("a", 0), ("b", 3)]
    assert reasons(found) == ["no id", "listed twice"]
    assert [row.place for row in found.odd] == ["train.files line 2", "train.files line 3"]


def test_names_lose_any_suffix_of_a_file_in_any_case_and_are_composed():
    for name in ("a/b.mp4", "a\\b.MOV", "./a/b.Avi", "a/b.webm", "a/b.json.gz", " a/b.pose "):
        assert clip_id(name) == "a/b"
    assert clip_id("x-1/1/*.png") == "x-1"
    assert clip_id("Mr.Smith") == "Mr.Smith"
    assert clip_id("gru\u0308n") == "gr\u00fcn"


@pytest.mark.parametrize(
    "said, expected",
    [("1.5", 1.5), ("00:01:02,500", 62.5), ("1:02", 62.0), ("", None), ("-1", None), ("nan", None)],
)
def test_times_are_seconds_or_clock_times(said, expected):
    assert seconds(said) == expected


def test_one_video_may_be_listed_many_times_with_its_segments(tmp_path):
    write(
        tmp_path,
        all_csv="id,text,start,end\nv,x,0.0,2.0\nv,y,2.0,4.0\nv,y,2.0,4.0\nw,z,1,\nu,q,,\n"
        "p,r,x,3\np,r,3,2\n",
    )
    found = read_manifest(tmp_path / "all.csv")
    named = [(e.id, e.text, e.files, e.start, e.end) for e in found.entries]
    assert named == [
        ("v_0-2000", "x", ("v",), None, 2.0),
        ("v_2000-4000", "y", ("v",), 2.0, 4.0),
        ("w", "z", ("w",), 1.0, None),
        ("u", "q", (), None, None),
    ]
    assert sorted(reasons(found)) == [
        "a segment that ends before it begins",
        "a start or end that is no time",
        "listed twice",
    ]


def test_segments_may_be_in_frames_or_milliseconds_and_name_their_video(tmp_path):
    write(
        tmp_path,
        frames_csv="id,video,text,start_frame,end_frame\ns,v.mp4,x,10,20\n",
        ms_csv="id,text,start_ms,end_ms\nv,x,500,1500\n",
    )
    (frames,) = read_manifest(tmp_path / "frames.csv").entries
    assert (frames.id, frames.files, frames.unit) == ("s", ("v",), "frames")
    assert (frames.start, frames.end) == (10, 20)
    header = "id,text,start,end,start_time,end_time,start_frame"
    write(tmp_path, both_csv=f"{header}\nv,x,30,60,1.0,2.0,30\n")
    (both,) = read_manifest(tmp_path / "both.csv").entries
    assert (both.start, both.end, both.unit) == (1.0, 2.0, "seconds")
    (ms,) = read_manifest(tmp_path / "ms.csv").entries
    assert (ms.start, ms.end, ms.unit) == (0.5, 1.5, "seconds")


def test_columns_are_taken_as_the_user_names_them_or_refused(tmp_path):
    write(tmp_path, all_csv="A,B,C,D,text\nclip.mp4,hello,HELLO,test,no\n")
    columns = {"id": "a", "text": "B", "gloss": "C", "split": "d"}
    reading = Reading(columns=tuple(columns.items()))
    (entry,) = read_manifest(tmp_path / "all.csv", reading).entries
    assert entry == Entry("clip", "hello", "HELLO", split="test")
    with pytest.raises(DataError, match="no column 'E', which --id_column names"):
        read_manifest(tmp_path / "all.csv", Reading(columns=(("id", "E"),)))
    (tmp_path / "wlasl.json").write_text('[{"gloss": "a", "instances": []}]')
    with pytest.raises(ConfigError, match="--id_column has no meaning for WLASL"):
        read_manifest(tmp_path / "wlasl.json", Reading(columns=(("id", "E"),)))
    with pytest.raises(ConfigError, match="unknown dialect 'kslx': known are table"):
        read_manifest(tmp_path / "all.csv", Reading(dialect="kslx"))


def test_languages_are_known_by_any_name_and_others_are_kept_apart(tmp_path):
    names = ("ase", "ASL", "American Sign Language", "asl", "BSL", "gsg")
    rows = "".join(f"c{n},x,{name}\n" for n, name in enumerate(names))
    write(tmp_path, all_csv=f"id,text,sign_language\n{rows}")
    found = read_manifest(tmp_path / "all.csv", Reading(language="asl"))
    assert [entry.id for entry in found.entries] == ["c0", "c1", "c2", "c3"]
    assert [entry.language for entry in found.others] == ["BSL", "gsg"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_a_byte_order_mark_says_the_encoding(tmp_path, encoding):
    (tmp_path / "a.csv").write_bytes("id,text\na,병원\n".encode(encoding))
    assert read_manifest(tmp_path / "a.csv").entries[0].text == "병원"


def test_another_encoding_is_named_with_what_it_may_be(tmp_path):
    (tmp_path / "a.csv").write_bytes("id,text\na,병원\n".encode("cp949"))
    with pytest.raises(DataError, match="--encoding=cp949"):
        read_manifest(tmp_path / "a.csv", Reading(language="ksl"))
    told = read_manifest(tmp_path / "a.csv", Reading(language="ksl", encoding="cp949"))
    assert told.entries[0].text == "병원"
    (tmp_path / "train.files").write_text("a\n")
    (tmp_path / "train.text").write_bytes("Käse\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"train.text: byte 1 is no UTF-8: it may be cp1252"):
        read_manifest(tmp_path)
    with pytest.raises(DataError, match="there is no encoding 'utf-17'"):
        read_manifest(tmp_path / "a.csv", Reading(encoding="utf-17"))
    (tmp_path / "a.csv").write_bytes(b"PK\x03\x04rest")
    with pytest.raises(DataError, match=r"workbook.*CSV"):
        read_manifest(tmp_path / "a.csv")
    with pytest.raises(DataError, match="no such manifest"):
        read_manifest(tmp_path / "missing.csv")


def test_hundreds_of_damaged_manifests_end_in_an_error_or_entries(tmp_path):
    rng = np.random.default_rng(0)
    instances = [{"video_id": "1", "split": "train", "frame_start": 1, "frame_end": -1}]
    whole = {
        "train.csv": 'id,text,gloss\na,Käse,K\nb,"x, y",XY\n'.encode(),
        "dev.csv": b"id|signer|annotation|translation\nc|S|A B|a b\nd|S|C|c\n",
        "dev.files": b"c\nd\n",
        "dev.text": "eins\nzwölf\n".encode(),
        "dev.gloss": b"EINS\nZWEI\n",
        "wlasl.json": json.dumps([{"gloss": "book", "instances": instances}] * 3).encode(),
        "test.srt": b"1\n00:00:00,000 --> 00:00:02,000\na\n\n2\n00:00:02,000 --> 00:00:03,000\nb\n",
    }
    alone = ("csv", "json", "srt")
    taken = 0
    for _ in range(250):
        name = list(whole)[rng.integers(len(whole))]
        for other, content in whole.items():
            if other.endswith(alone) == name.endswith(alone):
                (tmp_path / other).write_bytes(content)
        (tmp_path / name).write_bytes(damaged(whole[name], rng))
        try:
            path = tmp_path / name if name.endswith(alone) else tmp_path
            found = read_manifest(path)
            taken += len(found.entries) > 0
            assert found.entries or found.odd
        except DataError as error:
            assert "\n" not in str(error) and str(tmp_path) in str(error)
    assert 40 < taken < 230


def test_real_label_files_are_recognised(shared_data):
    text = Path(shared_data) / "text"
    phoenix = read_manifest(text / "phoenix14t" / "dev.csv", Reading(language="gsl"))
    assert (phoenix.dialects, phoenix.gloss_rules) == (("phoenix14t",), "phoenix")
    assert len(phoenix.entries) == 519 and not phoenix.odd
    assert not any("__" in entry.gloss or "loc-" in entry.gloss for entry in phoenix.entries)
    swiss = read_manifest(text / "signsuisse", Reading("lsf_ch", dialect="signsuisse"))
    assert swiss.dialects == ("signsuisse",) and {e.language for e in swiss.entries} == {"lsf_ch"}
    assert {e.language for e in swiss.others} == {"dsgs", "lis-ch"}
    assert {entry.split for entry in swiss.entries} == {"", "test"}
    signs = read_manifest(Path(shared_data) / "signs" / "index.csv", Reading(language="tsl"))
    assert len(signs.entries) == 201 and len(signs.others) == 142
