import json
from pathlib import Path

import numpy as np
import pytest
from damage import damaged

from signllm_jax.core.errors import ConfigError, DataError
from signllm_jax.corpora.entries import Entry, clip_id, seconds
from signllm_jax.corpora.manifest import Reading, read_manifest
from signllm_jax.corpora.split_assignment import assign_splits


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


@pytest.mark.parametrize(
    "columns, told",
    [
        ("begin_sec,end_sec", "column 'begin_sec' looks like a time and is not known"),
        ("t_start,t_end", "'t_start' looks like a time.*'t_end' looks like a time"),
        ("start,end_frame", "its segments begin and end in several units"),
        ("from,to", "'from' looks like a time.*'to' looks like a time"),
        ("t0,t1", "'t0' looks like a time.*'t1' looks like a time"),
        ("tc_in,tc_out", "'tc_in' looks like a time.*'tc_out' looks like a time"),
        ("video_start,video_end", "'video_start' looks like a time.*'video_end' looks like a time"),
        ("from (s),to (s)", "'from \\(s\\)' looks like a time.*'to \\(s\\)' looks like a time"),
        ("Beginn,Ende", "'beginn' looks like a time.*'ende' looks like a time"),
        ("시작시간,종료시간", "'시작시간' looks like a time.*'종료시간' looks like a time"),
        ("offset,note", "'offset' looks like a time"),
        ("startTimestamp,note", "'starttimestamp' looks like a time"),
    ],
)
def test_times_that_are_not_understood_are_refused_by_name(tmp_path, columns, told):
    write(tmp_path, all_csv=f"id,text,{columns}\nv,x,0,2\n")
    with pytest.raises(DataError, match=told):
        read_manifest(tmp_path / "all.csv")
    write(tmp_path, all_csv="id,text,start_date,endangered\nv,x,2020,no\n")
    assert not read_manifest(tmp_path / "all.csv").entries[0].is_segment


def test_names_of_columns_are_compared_by_their_letters(tmp_path):
    expected = [("v", None, 2.0), ("w", 2.0, 4.0)]
    for columns, unit in (
        ("startTime,endTime", 1),
        ("starttime,end time", 1),
        ("Start [s],End [s]", 1),
        ("Start (ms),End (ms)", 1000),
        ("startFrame,endFrame", 1),
    ):
        rows = f"v,x,0,{2 * unit}\nw,x,{2 * unit},{4 * unit}\n"
        write(tmp_path, all_csv=f"Clip Name,rawText,{columns}\n".replace("Name", "ID") + rows)
        entries = read_manifest(tmp_path / "all.csv").entries
        assert [(entry.id, entry.start, entry.end) for entry in entries] == expected
        assert {entry.unit for entry in entries} == {"frames" if "Frame" in columns else "seconds"}
    write(tmp_path, all_csv="id,text,start_time,startTime\nv,x,0,2\n")
    with pytest.raises(DataError, match="'start_time' stands there twice"):
        read_manifest(tmp_path / "all.csv")


def test_segments_of_a_file_have_an_end(tmp_path):
    write(tmp_path, all_csv="id,text,offset,duration\nv,x,1,2\nv,y,3,0.5\n")
    entries = read_manifest(tmp_path / "all.csv").entries
    assert [(entry.start, entry.end) for entry in entries] == [(1, 3), (3, 3.5)]
    write(tmp_path, all_csv="id,text,start\nv,x,1\nv,y,3\n")
    with pytest.raises(DataError, match=r"'start' says where .* begin, and none where they end"):
        read_manifest(tmp_path / "all.csv")
    write(tmp_path, all_csv="id,text,start\nv,x,1\nw,y,3\n")
    assert len(read_manifest(tmp_path / "all.csv").entries) == 2


@pytest.mark.parametrize(
    "value", ["0.5-2.0", "00:00:01 --> 00:00:02,5", "[1, 2.5]", "1;2", "[[0, 1.5], [1.5, 2]]"]
)
def test_two_times_in_a_column_are_refused_by_its_name(tmp_path, value):
    write(tmp_path, all_csv=f'id,text,timestamp\nv,x,"{value}"\n')
    with pytest.raises(DataError, match="'timestamp' looks like a time and is not known"):
        read_manifest(tmp_path / "all.csv")
    write(tmp_path, all_csv="id,text,timestamp\nv,x,2020-01-02 10:00\n")
    assert not read_manifest(tmp_path / "all.csv").entries[0].is_segment


def test_numbers_of_classes_are_no_texts(tmp_path):
    write(tmp_path, none_csv="id,label\nv,41\nw,7\n")
    with pytest.raises(DataError, match=r"'label' holds numbers of classes.*--text_column"):
        read_manifest(tmp_path / "none.csv")
    found = read_manifest(tmp_path / "none.csv", Reading(columns=(("text", "label"),)))
    assert [entry.text for entry in found.entries] == ["41", "7"]
    write(tmp_path, none_csv="id,label\nv,41\nw,book\n")
    assert len(read_manifest(tmp_path / "none.csv").entries) == 2


def test_objects_within_a_json_list_are_columns_of_their_own(tmp_path):
    item = {"id": "v", "text": "x", "segment": {"start": 0, "end": 2}}
    write(tmp_path, all_json=json.dumps([item]))
    with pytest.raises(DataError, match="'segment_start' looks like a time"):
        read_manifest(tmp_path / "all.json")
    item = {"id": "v", "text": "x", "start": {"time": 1}, "end": {"time": 2}}
    write(tmp_path, all_json=json.dumps([item]))
    (entry,) = read_manifest(tmp_path / "all.json").entries
    assert (entry.start, entry.end) == (1, 2)
    write(tmp_path, all_json=json.dumps([{"id": "v", "text": {"en": "x", "de": "y"}}]))
    with pytest.raises(DataError, match=r"no column 'text'.*text_en, text_de"):
        read_manifest(tmp_path / "all.json")


@pytest.mark.parametrize("column", ["sign language", "signLanguage", "Lang", "iso639-3"])
def test_a_column_of_languages_may_have_any_of_their_usual_names(tmp_path, column):
    write(tmp_path, all_csv=f"id,text,{column}\na,x,ase\nb,y,British Sign Language\n")
    found = read_manifest(tmp_path / "all.csv", Reading(language="asl"))
    assert [entry.id for entry in found.entries] == ["a"]
    assert [entry.language for entry in found.others] == ["British Sign Language"]


def test_a_duration_stands_for_an_end_and_says_nothing_beside_one(tmp_path):
    write(tmp_path, all_csv="id,text,start,duration\nv,x,0,2\nv,y,2,1.5\nv,z,3,long\n")
    found = read_manifest(tmp_path / "all.csv")
    assert [(entry.start, entry.end) for entry in found.entries] == [(None, 2.0), (2.0, 3.5)]
    assert reasons(found) == ["a start or end that is no time"]
    write(tmp_path, all_csv="id,text,start,end,duration\nv,x,1,2,9\n")
    assert read_manifest(tmp_path / "all.csv").entries[0].end == 2
    write(tmp_path, all_csv="id,text,duration\nv,x,9\n")
    assert not read_manifest(tmp_path / "all.csv").entries[0].is_segment


def test_times_that_count_frames_are_no_seconds(tmp_path):
    write(tmp_path, all_csv="id,text,start,end\nv,x,00:00:01:12,00:00:03:00\n")
    assert reasons(read_manifest(tmp_path / "all.csv")) == ["a start or end that is no time"]


def test_what_spreadsheets_add_is_no_part_of_a_table(tmp_path):
    write(tmp_path, all_csv="sep=;\nid;text\na;hello, you\n")
    assert read_manifest(tmp_path / "all.csv").entries[0].text == "hello, you"
    write(tmp_path, all_tsv='id\ttext\na\t"He said ""hi"""\nb\t2" and 3"\n')
    found = read_manifest(tmp_path / "all.tsv")
    assert [entry.text for entry in found.entries] == ['He said "hi"', '2" and 3"']


def test_the_only_table_of_a_folder_is_its_manifest(tmp_path):
    write(tmp_path, index_csv="id,text\nv,x\n")
    assert [entry.id for entry in read_manifest(tmp_path).entries] == ["v"]
    write(tmp_path, other_csv="id,text\nw,x\n")
    with pytest.raises(DataError, match=r"but index\.csv, other\.csv; name a file by --manifest"):
        read_manifest(tmp_path)
