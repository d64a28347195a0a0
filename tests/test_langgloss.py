import csv
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signllm_jax.core.errors import ConfigError, DataError, TextError
from signllm_jax.core.languages import LANGUAGES
from signllm_jax.corpora import fingerspelling
from signllm_jax.text.gloss import CORPORA, clean_gloss, gloss_or_words, words
from signllm_jax.text.langgloss import (
    EOS,
    PAD,
    SPELL,
    LangGlossVocabulary,
    from_langgloss,
    split_marks,
    to_langgloss,
)

glosses = st.text(min_size=1).filter(lambda gloss: gloss.split() == [gloss])
lines = st.lists(glosses, max_size=8)
codes = st.sampled_from(sorted(LANGUAGES))
TRAIN = {
    "asl": [["HELLO", "WORLD"], ["HELLO", "RAIN"]],
    "gsl": [["REGEN", "MORGEN"], ["REGEN", "RAIN"]],
}


@pytest.fixture(scope="module")
def vocabulary():
    return LangGlossVocabulary.build(TRAIN)


def test_every_token_carries_the_mark_of_its_language():
    marked = to_langgloss(["HELLO", "WORLD"], "asl")
    assert marked == ["<asl:HELLO>", "<asl:WORLD>"]
    assert from_langgloss(marked) == (["HELLO", "WORLD"], "asl")
    assert from_langgloss("<lsf_ch:AH-BON>  <lsf_ch:A:B>>") == (["AH-BON", "A:B>"], "lsf_ch")


def test_a_spelled_letter_within_a_sentence_has_a_mark_of_its_own(vocabulary):
    said = ["I", "FS:I", "FS:SCH"]
    marked = to_langgloss(said, "dsgs")
    assert marked == ["<dsgs:I>", "<dsgs_fs:I>", "<dsgs_fs:SCH>"]
    assert from_langgloss(marked) == (said, "dsgs")
    known = LangGlossVocabulary.build({"asl": [["I", "FS:I"]]})
    encoded = known.encode(["I", "FS:I"], "asl")
    assert len(encoded.ids) == 2 and known.decode(*encoded) == ["<asl:I>", "<asl_fs:I>"]


@settings(deadline=None)
@given(lines.filter(bool), codes)
def test_langgloss_as_a_list_and_as_a_line_gives_the_glosses_back(line, language):
    marked = to_langgloss(line, language)
    assert from_langgloss(marked) == from_langgloss(" ".join(marked)) == (line, language)
    assert split_marks(marked) == [(language, gloss) for gloss in line]


@pytest.mark.parametrize("gloss", ["", "TWO WORDS", " A", "A\n", "\u2028"])
def test_what_is_no_gloss_is_not_marked(gloss, vocabulary):
    with pytest.raises(TextError, match="not a gloss"):
        to_langgloss([gloss], "asl")
    with pytest.raises(TextError, match="not a gloss"):
        vocabulary.encode([gloss], "asl")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "no LangGloss"),
        ("HELLO", "not a LangGloss token: 'HELLO'"),
        ("<asl:>", "not a LangGloss token"),
        ("<ASL_SKY>", "not a LangGloss token"),
        ("<asl:A> <gsl:A>", "several languages: asl, gsl"),
    ],
)
def test_what_is_no_langgloss_of_one_language_is_refused(line, message):
    with pytest.raises(TextError, match=message):
        from_langgloss(line)
    with pytest.raises(ConfigError, match="'bsl'"):
        to_langgloss(["A"], "bsl")


@settings(deadline=None)
@given(lines, st.sampled_from(sorted(TRAIN)))
def test_any_gloss_is_encoded_and_comes_back(line, language):
    vocabulary = LangGlossVocabulary.build(TRAIN)
    ids, marks = vocabulary.encode(line, language)
    assert len(ids) == len(marks) and set(marks) <= {vocabulary.mark(language)}
    assert all(EOS < id_ < vocabulary.size for id_ in ids)
    decoded = vocabulary.decode([*ids, EOS, 5, PAD], [*marks, 1, 1, 0])
    assert decoded == to_langgloss(line, language)


@settings(deadline=None)
@given(st.data())
def test_whatever_a_model_writes_is_langgloss(data):
    vocabulary = LangGlossVocabulary.build(TRAIN)
    ids = data.draw(st.lists(st.integers(0, vocabulary.size - 1)))
    marks = data.draw(st.lists(st.integers(0, vocabulary.marks - 1), min_size=len(ids)))
    pairs = split_marks(vocabulary.decode(ids, marks))
    assert {language for language, _ in pairs} <= {"und", "asl", "gsl"}


def test_a_gloss_that_two_languages_share_has_one_row_and_two_marks(vocabulary):
    asl, gsl = vocabulary.encode(["RAIN"], "asl"), vocabulary.encode(["RAIN"], "gsl")
    assert asl.ids == gsl.ids and len(asl.ids) == 1
    assert asl.marks == [1] and gsl.marks == [2]
    assert vocabulary.marks == 3
    with pytest.raises(TextError, match="no LangGloss of 'ksl': there is asl, gsl"):
        vocabulary.encode(["RAIN"], "ksl")


def test_an_unknown_gloss_is_spelled_with_the_characters_of_the_known(vocabulary):
    assert vocabulary.knows("HELLO") and not vocabulary.knows("HELL")
    ids, marks = vocabulary.encode(["HELL", "HELLO", "Żw"], "asl")
    assert ids[0] == SPELL and len(ids) == 1 + 4 + 1 + 1 + 2 + 1  # Ż is two bytes, w one
    assert all(id_ >= 260 for id_ in ids[1:5]) and all(4 <= id_ < 260 for id_ in ids[-3:])
    assert vocabulary.decode(ids, marks) == ["<asl:HELL>", "<asl:HELLO>", "<asl:Żw>"]
    assert vocabulary.decode(ids[1:], marks) == ["<asl:HELLO>", "<asl:Żw>"]  # without SPELL
    assert vocabulary.decode(ids[:-3] + ids[-2:], marks) != vocabulary.decode(ids, marks)


def test_rare_glosses_are_spelled_and_small_languages_keep_their_own():
    rare = LangGlossVocabulary.build(TRAIN, min_count=2)
    assert [piece for piece in rare.pieces if piece[0] == "g"] == ["gHELLO", "gREGEN"]
    many = {"asl": [[f"W{i}"] * 9 for i in range(50)], "gsl": [["A"]]}
    assert LangGlossVocabulary.build(many, max_pieces=4).knows("A")


def test_a_language_added_later_leaves_ids_and_marks_as_they_were(vocabulary):
    more = vocabulary.extend({"ksl": [["집", "RAIN"]], "asl": [["SUN"]]})
    assert more.languages == ("asl", "gsl", "ksl")
    assert more.pieces[: len(vocabulary.pieces)] == vocabulary.pieces
    for language, train in TRAIN.items():
        for line in train:
            assert more.encode(line, language) == vocabulary.encode(line, language)
    assert len(more.encode(["집", "RAIN"], "ksl").ids) == 2
    assert more.extend({"ksl": [["집"]]}) == more


def test_a_vocabulary_is_its_json(vocabulary):
    content = json.loads(json.dumps(vocabulary.to_dict()))
    assert LangGlossVocabulary.from_dict(content) == vocabulary
    assert LangGlossVocabulary.build(TRAIN).to_dict() == vocabulary.to_dict()


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"languages": ["asl"]},
        {"languages": ["asl"], "pieces": [1]},
        {"languages": ["asl"], "pieces": ["HELLO"]},
        {"languages": ["asl"], "pieces": ["gA", "gA"]},
        {"languages": ["asl", "asl"], "pieces": []},
        {"languages": None, "pieces": []},
    ],
)
def test_a_damaged_vocabulary_is_refused(content):
    with pytest.raises(DataError, match="vocabulary"):
        LangGlossVocabulary.from_dict(content)


def test_fingerspelling_is_its_letters():
    train = {
        language: [example.units for example in fingerspelling.corpus(language, "train")]
        for language in ("asl", "dsgs")
    }
    vocabulary = LangGlossVocabulary.build(train)
    for language in train:
        for example in fingerspelling.corpus(language, "test"):
            ids, marks = vocabulary.encode(example.units, language)
            assert len(ids) == len(example.units) and SPELL not in ids
            decoded = from_langgloss(vocabulary.decode(ids, marks))
            assert decoded == (list(example.units), language)


@pytest.mark.parametrize(
    ("corpus", "line", "cleaned"),
    [
        ("plain", "  HELLO \t WORLD", "HELLO WORLD"),
        ("plain", "U\u0308BER", "ÜBER"),
        ("phoenix", "__ON__ loc-ALPEN REGEN __OFF__", "ALPEN REGEN"),
        ("phoenix", "cl-KOMMEN __LEFTHAND__ WOLKE-PLUSPLUS <PU> TAG++", "KOMMEN WOLKE TAG"),
        ("phoenix", "WIE AUSSEHEN WIE loc- lh-qu-A", "WIE-AUSSEHEN WIE A"),
        ("phoenix", "neg-HABEN negalp-AUCH poss-MEIN", "neg-HABEN neg-AUCH poss-MEIN"),
        ("phoenix", "E+R+Z HABEN2 REGEN REGEN C+M", "E+R+Z HABEN2 REGEN REGEN C+M"),
        ("dgs", "$GEST-NM-KOPFSCHÜTTELN1^ ICH2* $INDEX1 NICHT3A", "ICH2 INDEX1 NICHT3"),
        ("dgs", "ZUSAMMENHANG1A^* DAS-HÄTTE-ICH2 $PROD*", "ZUSAMMENHANG1 DAS-HÄTTE-ICH2 PROD"),
        ("dgs", "$NUM-EINER1A:2d $NUM-EINER1A:1d*", "NUM-EINER1:2 NUM-EINER1:1"),
        ("dgs", "$ALPHA1:A-B* ICH1||DU1*", "A B ICH1 DU1"),
        ("dgs", "$ORAL^ $GEST-OFF^ $UNCLEAR^ $$EXTRA-LING-MAN^ $GEST^", "GEST-OFF GEST"),
        ("dgs", "$GEST-NM^", ""),
        ("gksl", "집 -보다 바꾸다2 ? #NAME?", "집 -보다 바꾸다2"),
        ("signsuisse", "AH BON", "AH-BON"),
        ("signsuisse", "AUCUN - AUCUNE", "AUCUN"),
        ("signsuisse", "BEAU-FILS / GENDRE", "BEAU-FILS"),
        ("signsuisse", "LONG - LONGUE 5", "LONG5"),
        ("signsuisse", "GRENADE 1", "GRENADE1"),
        ("signsuisse", "NON E' CARO", "NON-E'-CARO"),
        ("signsuisse", "1291", "1291"),
    ],
)
def test_glosses_are_cleaned_by_the_rules_of_their_corpus(corpus, line, cleaned):
    assert clean_gloss(line, corpus) == cleaned.split()


@settings(deadline=None)
@given(st.sampled_from(CORPORA), st.text())
def test_cleaning_any_line_leaves_glosses(corpus, line):
    glosses = clean_gloss(line, corpus)
    assert all(gloss and not any(map(str.isspace, gloss)) for gloss in glosses)
    pairs = split_marks(to_langgloss(glosses, "asl"))
    assert pairs == [("asl", gloss) for gloss in glosses]
    assert clean_gloss(" ".join(glosses), "plain") == glosses


def test_rules_that_there_are_not_are_refused():
    with pytest.raises(ConfigError, match="'how2sign': there are plain, phoenix"):
        clean_gloss("A", "how2sign")


def test_words_stand_in_where_there_is_no_gloss():
    assert words("Don’t panic, it's 1,000 °C!", "asl") == ["don't", "panic", "it's", "1,000", "c"]
    assert words("ILIK İyi.", "tsl") == ["ılık", "iyi"]
    assert words("집에 불이 났어요.", "ksl") == ["집에", "불이", "났어요"]
    assert words("?!", "asl") == []
    assert gloss_or_words("$GEST-NM^", "Oh, keine Ahnung.", "dgs", "gsl") == [
        "oh",
        "keine",
        "ahnung",
    ]
    assert gloss_or_words("ICH1*", "Ich.", "dgs", "gsl") == ["ICH1"]


def test_only_one_rule_changes_the_published_glosses_of_phoenix(shared_data):
    changed = total = 0
    for split in ("train", "dev", "test"):
        path = shared_data / "text" / "phoenix14t" / f"{split}.csv"
        for line in path.read_text("utf-8").splitlines()[1:]:
            annotation = line.split("|")[2]
            cleaned = clean_gloss(annotation, "phoenix")
            assert cleaned and clean_gloss(" ".join(cleaned), "phoenix") == cleaned
            total += 1
            changed += cleaned != annotation.split()
            assert cleaned == annotation.replace("negalp-", "neg-").split()
    assert (total, changed) == (8257, 51)


def test_the_glosses_of_the_other_corpora_come_out_clean(shared_data):
    with open(shared_data / "signs" / "index.csv", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["source"] == "DGS Corpus"]
    cleaned = [clean_gloss(row["gloss"], "dgs") for row in rows]
    assert len(cleaned) == 22 and sum(not line for line in cleaned) == 1
    assert not [gloss for line in cleaned for gloss in line if set(gloss) & set("$*^|")]
    assert ["NUM-EINER1:2", "PROD"] in cleaned

    path = shared_data / "text" / "gksl" / "GKSL3k_original.csv"
    with open(path, encoding="utf-8-sig") as file:
        found = [list(row.values())[4] for row in csv.DictReader(file)]
    cleaned = [clean_gloss(line, "gksl") for line in found]
    assert len(cleaned) == 3052
    assert sum(len(line.split()) for line in found) - sum(map(len, cleaned)) == 3

    path = shared_data / "text" / "signsuisse" / "metadata_train_val.csv"
    with open(path, encoding="utf-8") as file:
        names = [row["name"] for row in csv.DictReader(file)]
    assert all(len(clean_gloss(name, "signsuisse")) == 1 for name in names)
    assert not [n for n in names if " " in clean_gloss(n, "signsuisse")[0]]


def test_a_vocabulary_of_phoenix_spells_what_dev_has_more(shared_data):
    lines = {}
    for split in ("train", "dev"):
        path = shared_data / "text" / "phoenix14t" / f"{split}.csv"
        text = path.read_text("utf-8").splitlines()[1:]
        lines[split] = [clean_gloss(line.split("|")[2], "phoenix") for line in text]
    vocabulary = LangGlossVocabulary.build({"gsl": lines["train"]}, min_count=2)
    spelled = 0
    for line in lines["dev"]:
        ids, marks = vocabulary.encode(line, "gsl")
        spelled += ids.count(SPELL)
        assert from_langgloss(vocabulary.decode(ids, marks)) == (line, "gsl")
    assert 0 < spelled < 0.02 * sum(map(len, lines["dev"]))
