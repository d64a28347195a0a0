"""Label files in the exact form of public corpora, with invented rows."""

import json

import pytest

from signllm_jax.core.errors import ConfigError, DataError
from signllm_jax.corpora.clip_jobs import find_jobs
from signllm_jax.corpora.dialects import DIALECTS
from signllm_jax.corpora.manifest import Reading, read_manifest

CUES = {
    "srt": "1\n00:00:00,000 --> 00:00:02,500\n<i>Guten</i> Morgen &amp; Tag\n\n"
    "2\n00:00:02,500 --> 00:00:04,000\nBis bald\n\n3\n00:00:xx,000 --> 00:00:05,000\nbad\n",
    "vtt": "WEBVTT\n\n00:00.000 --> 00:02.500 align:start\n<c.x>Guten</c> Morgen &amp; Tag\n\n"
    "00:02.500 --> 00:04.000\nBis bald\n\n00:xx.000 --> 00:05.000\nbad\n",
}


def elan(path, tiers, slots=None):
    """Writes an ELAN file: tier -> (start ms, end ms, text)."""
    times, bodies, number = [], [], 0
    for tier, notes in tiers.items():
        body = ""
        for start, end, text in notes:
            for time in (start, end):
                number += 1
                times.append(f'<TIME_SLOT TIME_SLOT_ID="ts{number}" TIME_VALUE="{time}"/>')
            body += (
                f'<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a{number}" '
                f'TIME_SLOT_REF1="ts{number - 1}" TIME_SLOT_REF2="ts{number}">'
                f"<ANNOTATION_VALUE>{text}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>"
            )
        bodies.append(f'<TIER TIER_ID="{tier}" LINGUISTIC_TYPE_REF="t">{body}</TIER>')
    path.write_text(
        f'<?xml version="1.0" encoding="UTF-8"?><ANNOTATION_DOCUMENT VERSION="3.0">'
        f"<TIME_ORDER>{''.join(times)}</TIME_ORDER>{''.join(bodies)}</ANNOTATION_DOCUMENT>",
        "utf-8",
    )
    return path


def read(path, language, **options):
    found = read_manifest(path, Reading(language, **options))
    return found, [(entry.id, entry.text, entry.gloss, entry.split) for entry in found.entries]


def test_how2sign_names_sentences_and_where_they_are_in_their_video(tmp_path):
    (tmp_path / "how2sign_realigned_val.csv").write_text(
        "VIDEO_ID\tVIDEO_NAME\tSENTENCE_ID\tSENTENCE_NAME\tSTART_REALIGNED\tEND_REALIGNED\tSENTENCE\n"
        'ab-c\tab-c-1-rgb_front\tab-c_0\tab-c_0-1-rgb_front\t0.1\t1.3\tHold "it", please.\n'
    )
    found, rows = read(tmp_path, "asl")
    assert found.dialects == ("how2sign",)
    assert rows == [("ab-c_0-1-rgb_front", 'Hold "it", please.', "", "dev")]
    (entry,) = found.entries
    assert (entry.files, entry.start, entry.end) == (("ab-c-1-rgb_front", "ab-c"), 0.1, 1.3)


def test_a_dialect_that_a_table_is_not_in_names_the_columns_it_lacks(tmp_path):
    (tmp_path / "all.csv").write_text("id,text\nv,x\n")
    told = r"no column 'sentence_name'; no column 'sentence'; its header is: id, text"
    with pytest.raises(DataError, match=told):
        read_manifest(tmp_path / "all.csv", Reading(dialect="how2sign"))


def test_phoenix_has_pictures_for_a_video_no_times_and_its_gloss_rules(tmp_path):
    (tmp_path / "PHOENIX-2014-T.train.corpus.csv").write_text(
        "name|video|start|end|speaker|orth|translation\n"
        "01April-1|01April-1/1/*.png|-1|-1|Signer04|__ON__ loc-NORD REGEN++|im norden regen\n"
    )
    found, rows = read(tmp_path, "gsl")
    assert (found.dialects, found.gloss_rules) == (("phoenix14t",), "phoenix")
    assert rows == [("01April-1", "im norden regen", "NORD REGEN", "train")]
    assert (found.entries[0].signer, found.entries[0].is_segment) == ("Signer04", False)


def test_wlasl_counts_frames_from_one_and_at_its_own_rate(tmp_path):
    instance = {"video_id": "69241", "split": "train", "signer_id": 118, "fps": 25}
    parts = [
        instance | {"frame_start": 1, "frame_end": -1},
        instance | {"video_id": "7", "split": "val", "frame_start": 26, "frame_end": 50},
        instance | {"video_id": "8", "split": "later"},
        "no object",
    ]
    (tmp_path / "WLASL_v0.3.json").write_text(json.dumps([{"gloss": "book", "instances": parts}]))
    found, rows = read(tmp_path / "WLASL_v0.3.json", "asl")
    assert rows == [("69241", "book", "book", "train"), ("7", "book", "book", "dev")]
    assert [(e.start, e.end) for e in found.entries] == [(None, None), (1.0, 2.0)]
    assert [row.reason for row in found.odd] == [
        "unknown split 'later'",
        "an instance that is no JSON object",
    ]


def test_msasl_is_cut_from_videos_by_their_address(tmp_path):
    row = {
        **{"org_text": "match [light-a-MATCH]", "clean_text": "match", "signer_id": 0},
        **{"start_time": 1.5, "end_time": 2.767, "label": 830, "fps": 30.0, "text": "match"},
        "url": "https://www.youtube.com/watch?v=C37R_Ix8-qs&t=3",
    }
    other = row | {"start_time": 3.0, "end_time": 4.0, "url": "www.youtube.com/watch?v=C37R_Ix8-qs"}
    (tmp_path / "MSASL_train.json").write_text(json.dumps([row, other, row | {"url": ""}]))
    found, rows = read(tmp_path / "MSASL_train.json", "asl")
    assert found.dialects == ("msasl",)
    names = ["C37R_Ix8-qs_1500-2767", "C37R_Ix8-qs_3000-4000"]
    assert rows == [(name, "match", "match", "train") for name in names]
    assert (found.entries[0].files, found.entries[0].start) == (("C37R_Ix8-qs",), 1.5)
    assert [row.reason for row in found.odd] == ["no id"]


def test_autsl_needs_the_list_of_its_signs(tmp_path):
    labels = tmp_path / "validation_labels.csv"
    labels.write_text("signer1_sample10,0\nsigner1_sample11,1\nsigner2_sample1,99\n")
    with pytest.raises(DataError, match=r"put SignList_ClassId_TR_EN\.csv beside"):
        read(labels, "tsl")
    (tmp_path / "SignList_ClassId_TR_EN.csv").write_text(
        "ClassId,TR,EN\n0,abla,sister\n1,acele,hurry\n"
    )
    found, rows = read(labels, "tsl")
    assert rows == [
        ("signer1_sample10", "abla", "abla", "dev"),
        ("signer1_sample11", "acele", "acele", "dev"),
    ]
    assert found.entries[0].aliases == ("signer1_sample10_color",)
    assert [row.reason for row in found.odd] == ["class 99 is not in the list"]
    assert read(tmp_path, "tsl")[1] == rows


def test_keti_is_read_in_the_encoding_of_its_country(tmp_path):
    (tmp_path / "KETI.csv").write_bytes(
        (
            "번호,언어 제공자 ID,취득연도,방향,타입(단어/문장),파일명,한국어,,\n"
            "1,3,2017,정면,단어,KETI_SL_0000000001.avi,화재,,\n"
        ).encode("cp949")
    )
    with pytest.raises(DataError, match="--encoding=cp949"):
        read(tmp_path / "KETI.csv", "ksl")
    found, rows = read(tmp_path / "KETI.csv", "ksl", encoding="cp949")
    assert found.dialects == ("keti",)
    assert rows == [("KETI_SL_0000000001", "화재", "화재", "")]


def test_aihub_has_one_json_a_clip_in_two_forms(tmp_path):
    folder = tmp_path / "morpheme" / "01"
    folder.mkdir(parents=True)
    signs = [
        {"start": 2.1, "end": 2.8, "attributes": [{"name": "곳"}]},
        {"start": 1.1, "end": 1.8, "attributes": [{"name": "여기"}]},
    ]
    (folder / "NIA_SL_SEN0005_REAL05_D_morpheme.json").write_text(
        json.dumps({"metaData": {"name": "NIA_SL_SEN0005_REAL05_D.mp4"}, "data": signs}), "utf-8"
    )
    script = {"sign_gestures_strong": [{"start": 0.5, "end": 1, "gloss_id": "지진1"}]}
    (folder / "NIA_SL_G1_X_morpheme.json").write_text(
        json.dumps(
            {
                "vido_file_nm": "NIA_SL_G1_X",
                "krlgg_sntenc": {"koreanText": "지진이 났습니다."},
                "sign_script": script,
            }
        ),
        "utf-8",
    )
    (folder / "NIA_SL_BAD_morpheme.json").write_text("{")
    found, rows = read(tmp_path, "ksl")
    assert found.dialects == ("aihub",)
    assert rows == [
        ("NIA_SL_G1_X", "지진이 났습니다.", "지진1", ""),
        ("NIA_SL_SEN0005_REAL05_D", "여기 곳", "여기 곳", ""),
    ]
    assert [row.reason for row in found.odd] == ["a JSON file that cannot be read"]


def test_the_dgs_corpus_is_cut_by_its_tiers_for_both_signers_with_its_gloss_rules(tmp_path):
    elan(
        tmp_path / "1413451-1-2.eaf",
        {
            "Deutsche_Übersetzung_A": [(0, 2000, "Ich ging nach Hause."), (2500, 3000, "Gut.")],
            "Translation_into_English_A": [(0, 2000, "I went home.")],
            "Lexem_Gebärde_r_A": [(100, 500, "ICH1*"), (900, 1500, "$GEST-OFF^")],
            "Lexem_Gebärde_l_A": [(600, 800, "HAUS1A^")],
            "Deutsche_Übersetzung_B": [(2000, 2500, "Ja.")],
            "Mundbild_A": [(100, 200, "ich")],
        },
    )
    found, rows = read(tmp_path, "gsl")
    assert (found.dialects, found.gloss_rules) == (("subtitles", "dgs"), "dgs")
    assert rows == [
        ("1413451-1-2_a_0-2000", "Ich ging nach Hause.", "ICH1 HAUS1 GEST-OFF", ""),
        ("1413451-1-2_a_2500-3000", "Gut.", "", ""),
        ("1413451-1-2_b", "Ja.", "", ""),
    ]
    first = found.entries[0]
    assert first.files == tuple(f"1413451-1-2_{camera}" for camera in ("1a1", "a", "A"))
    assert found.entries[2].signer == "1413451-1-2_B"


def test_other_elan_files_have_a_tier_for_the_text_or_the_user_names_it(tmp_path):
    tiers = {"free": [(0, 1000, "hello there")], "sign": [(0, 400, "HELLO"), (500, 900, "THERE")]}
    path = elan(tmp_path / "v.eaf", tiers)
    with pytest.raises(ConfigError, match=r"which tier holds the text.*free, sign"):
        read(path, "asl")
    columns = (("text", "free"), ("gloss", "sign"))
    assert read(path, "asl", columns=columns)[1] == [("v", "hello there", "HELLO THERE", "")]
    with pytest.raises(ConfigError, match="no tier 'none', which --text_column names"):
        read(path, "asl", columns=(("text", "none"),))
    elan(path, {"Translation": tiers["free"], "Gloss": tiers["sign"]})
    assert read(path, "asl")[1] == [("v", "hello there", "HELLO THERE", "")]


@pytest.mark.parametrize("suffix", CUES)
def test_subtitles_are_segments_of_the_video_beside_them(tmp_path, suffix):
    (tmp_path / f"v1.de.{suffix}").write_text(CUES[suffix])
    (tmp_path / f"v1.en.{suffix}").write_text(CUES[suffix].replace("Bis bald", "Good bye"))
    (tmp_path / f"v2.fr.{suffix}").write_text(CUES[suffix])
    (tmp_path / f"v2.en.{suffix}").write_text(CUES[suffix])
    (tmp_path / "v3.vtt").write_text("no subtitles")
    found, rows = read(tmp_path, "gsl")
    assert rows == [
        ("v1_0-2500", "Guten Morgen & Tag", "", ""),
        ("v1_2500-4000", "Bis bald", "", ""),
    ]
    assert [(e.files, e.start, e.end) for e in found.entries] == [
        (("v1",), None, 2.5),
        (("v1",), 2.5, 4.0),
    ]
    assert [row.reason for row in found.odd] == [
        "several subtitles, none in de",
        "a cue with a damaged time",
        "subtitles that cannot be read",
    ]


def test_only_languages_are_no_part_of_the_name_of_a_video(tmp_path):
    cue = "1\n00:00:00,000 --> 00:00:02,000\n{}\n"
    for name in ("a", "a_one", "a_is", "show_it", "b.en-US", "b.de", "c.deu"):
        (tmp_path / f"{name}.srt").write_text(cue.format(name))
    found = read_manifest(tmp_path, Reading(language="asl"))
    texts = {entry.id: entry.text for entry in found.entries}
    assert texts == {name: name for name in ("a", "a_one", "a_is")} | {
        "show": "show_it",
        "b": "b.en-US",
        "c": "c.deu",
    }
    assert not found.odd
    files = {entry.id: entry.files for entry in found.entries}
    assert files["show"] == ("show", "show_it") and files["a_one"] == ("a_one",)
    (tmp_path / "show_it.pose").write_bytes(b"")
    (job,) = find_jobs([e for e in found.entries if e.id == "show"], "pose", tmp_path).jobs
    assert job.path.endswith("show_it.pose") and job.cut


def test_subtitles_lose_their_tags_and_nothing_else(tmp_path):
    said = "{\\an8}<font color='red'>5 < 6 &amp; 7 > 3</font>, <I>yes</I>"
    (tmp_path / "v.srt").write_text(f"1\n00:00:00,000 --> 00:00:02,000\n{said}\n")
    assert read(tmp_path / "v.srt", "asl")[1] == [("v", "5 < 6 & 7 > 3, yes", "", "")]


def test_signsuisse_has_a_sign_and_its_example(tmp_path):
    header = "id,name,spokenLanguage,signedLanguage,category,definition,paraphrase,example,url"
    (tmp_path / "metadata_train_val.csv").write_text(
        f"{header}\n1,LONG - LONGUE 5,fr,lsf-ch,x,x,x,C'est long.,u\n2,HAUS,de,dsgs,x,x,x,,u\n"
    )
    found, rows = read(tmp_path / "metadata_train_val.csv", "lsf_ch")
    assert (found.dialects, found.gloss_rules) == (("signsuisse",), "signsuisse")
    assert rows == [("1", "LONG - LONGUE 5", "LONG5", ""), ("1_example", "C'est long.", "", "")]
    assert [entry.optional for entry in found.entries] == [False, True]
    assert found.entries[0].aliases == ("signsuisse_1_isolated",)
    assert [entry.language for entry in found.others] == ["dsgs"]


def test_a_lexicon_of_spoken_to_signed_gives_milliseconds(tmp_path):
    (tmp_path / "index.csv").write_text(
        "path,spoken_language,signed_language,start,end,words,glosses,priority\n"
        "sgg/haus.pose,de,sgg,0,0,Haus,HAUS,0\nsgg/ort.pose,de,sgg,500,1500,Ort,ORT,0\n"
        "ase/a.pose,en,ase,0,2720,A,A,0\n"
    )
    found, rows = read(tmp_path / "index.csv", "dsgs")
    assert found.dialects == ("lexicon",)
    assert rows == [("sgg/haus", "Haus", "HAUS", ""), ("sgg/ort", "Ort", "ORT", "")]
    assert [(e.start, e.end) for e in found.entries] == [(None, None), (0.5, 1.5)]
    assert [entry.language for entry in found.others] == ["ase"]


def test_signverse_takes_the_captions_of_the_videos_that_its_table_lists(tmp_path):
    for video in ("vid_aaaaaa1", "vid_bbbbbb2"):
        folder = tmp_path / video / "captions"
        folder.mkdir(parents=True)
        (folder / f"{video}.en.vtt").write_text(CUES["vtt"].replace("00:xx", "00:04"))
    (tmp_path / "SignVerse-2M-metadata_split.csv").write_text(
        "video_id,sign_language,split\nvid_aaaaaa1,ase,train\nvid_bbbbbb2,gsg,test\nvid_c,ase,dev\n"
    )
    found, rows = read(tmp_path / "SignVerse-2M-metadata_split.csv", "asl")
    assert found.dialects == ("signverse",)
    names = [name for name, *_ in rows]
    assert names == [f"vid_aaaaaa1_{times}" for times in ("0-2500", "2500-4000", "4000-5000")]
    assert {split for *_, split in rows} == {"train"}
    assert [entry.language for entry in found.others] == ["gsg"]
    assert [(row.name, row.reason) for row in found.odd] == [("vid_c", "no captions")]


def test_openasl_gives_clock_times(tmp_path):
    (tmp_path / "openasl-v1.0.tsv").write_text(
        "vid\tyid\tstart\tend\traw-text\ttokenized-text\tsplit\n"
        "y1-00:00:01\ty1\t00:00:01.500\t00:00:04.000\tHi.\thi .\tvalid\n"
    )
    found, rows = read(tmp_path / "openasl-v1.0.tsv", "asl")
    assert rows == [("y1-00:00:01", "Hi.", "", "dev")]
    (entry,) = found.entries
    assert (found.dialects, entry.files, entry.start) == (("openasl",), ("y1",), 1.5)


def test_json_lists_and_json_lines_are_tables(tmp_path):
    rows = [{"id": "a.mp4", "text": "x", "gloss": ["A", "B"]}, {"id": "b", "text": "y"}]
    (tmp_path / "a.json").write_text(json.dumps([*rows, 3]))
    (tmp_path / "a.jsonl").write_text("\n".join([*map(json.dumps, rows), "{"]))
    for name in ("a.json", "a.jsonl"):
        found, listed = read(tmp_path / name, "asl")
        assert listed == [("a", "x", "A B", ""), ("b", "y", "", "")]
        assert [row.reason for row in found.odd] == ["an item that is no JSON object"]


def test_json_objects_by_id_are_a_table(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"a.mp4": {"text": "x"}, "b": {"text": "y"}}))
    assert read(tmp_path / "a.json", "asl")[1] == [("a", "x", "", ""), ("b", "y", "", "")]


def test_gloss_rules_are_those_that_are_named_else_the_dialects_else_the_corpus(tmp_path):
    (tmp_path / "a.csv").write_text("id,text,gloss\na,x,ICH1* $GEST-OFF^\n")

    def gloss(**options):
        found, rows = read(tmp_path / "a.csv", "gsl", **options)
        return found.gloss_rules, rows[0][2]

    assert gloss() == ("plain", "ICH1* $GEST-OFF^")
    for options in ({"corpus": "dgs-corpus"}, {"dialect": "dgs"}, {"gloss_rules": "dgs"}):
        assert gloss(**options) == ("dgs", "ICH1 GEST-OFF")
    assert gloss(corpus="dgs-corpus", gloss_rules="plain") == ("plain", "ICH1* $GEST-OFF^")
    with pytest.raises(ConfigError, match="no gloss rules for 'dgx'"):
        gloss(gloss_rules="dgx")


def test_the_page_of_manifests_lists_every_dialect():
    from documented import ROOT

    page = (ROOT / "docs" / "manifests.md").read_text("utf-8")
    for name, dialect in DIALECTS.items():
        assert f"`{name}`" in page and dialect.title in page
