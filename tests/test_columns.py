"""Columns of any table: known by their usual names in any spelling, or refused by name."""

import json

import pytest
from test_manifest import reasons, write

from signllm_jax.core.errors import DataError
from signllm_jax.corpora.manifest import Reading, read_manifest


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


@pytest.mark.parametrize(
    "value", ["0.0-2.1", "0:01 --> 0:02,5", "00:00:01 – 00:00:03", "1.5 to 2.5"]
)
def test_two_times_in_all_values_are_refused_whatever_the_name(tmp_path, value):
    write(tmp_path, all_csv=f'id,text,when\nv,x,"{value}"\nw,y,\n')
    with pytest.raises(DataError, match="'when' looks like a time and is not known"):
        read_manifest(tmp_path / "all.csv")
    for other in ("2.1-0.0", "2020-01", "20-30", "1.2.3-1.2.4", "10-11.5"):
        write(tmp_path, all_csv=f'id,text,when\nv,x,"{value}"\nw,y,{other}\n')
        assert len(read_manifest(tmp_path / "all.csv").entries) == 2


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
    with pytest.raises(
        DataError, match=r"but index\.csv, other\.csv; name a table \(id, text\) by --manifest"
    ):
        read_manifest(tmp_path)
