"""Sentences composed of takes of single signs: splits, sessions, easing, and the whole command."""

import csv
import dataclasses
import re

import numpy as np
import pytest
from test_clean import waving

from signllm_jax.core.errors import ConfigError, DataError, TextError
from signllm_jax.core.skeleton import OPENPOSE50
from signllm_jax.corpora import fingerspelling
from signllm_jax.corpora.compose import EASE, check_settings, join_signs, plan_sentences
from signllm_jax.corpora.grammar import parse_grammar
from signllm_jax.corpora.lexicon import Take, take_pools, train_lexicon
from signllm_jax.corpora.prepare import Settings
from signllm_jax.corpora.shards import source_folder
from signllm_jax.corpora.spelled_names import find_spelled, spelled_glosses
from signllm_jax.data import splits
from signllm_jax.data.made_up import names_of, pieces_of
from signllm_jax.data.prepare_corpus import prepare_corpus
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.signing import LEAST, signing_part
from signllm_jax.poses.skels import write_skels

GRAMMAR = """
sentence = [hello] drink ["thank you"] | drink drink [drink]
drink = tea | coffee | milk
%signs 2 3
%train 12 2
%dev 3
%test 4
%test_sessions c
"""
SIGNS = ("hello", "tea", "coffee", "milk", "thank you")
SETTINGS = Settings("asl", "cafe", "skels", fps=25.0)


def take(sign, session, number=0, split="", shift=0.0):
    clip = waving(20)
    positions = clip.positions + np.float32(shift)
    name = f"{sign}-{session}-{number}"
    moved = PoseClip(positions, clip.confidence, clip.fps)
    return Take(name, sign, sign.upper().replace(" ", "-"), session, split, moved)


def all_takes(sessions="abc", lacking=()):
    return [
        take(sign, session, number, shift="abc".index(session) * 0.1)
        for session in sessions
        for sign in SIGNS
        for number in range(2)
        if (session, sign) not in lacking
    ]


def planned(takes, grammar=GRAMMAR):
    parsed = parse_grammar(grammar)
    return plan_sentences(take_pools(takes, parsed, by_manifest=False), parsed)


def test_test_has_sentences_and_sessions_that_train_has_not():
    sentences = planned(all_takes())
    said, sessions = {}, {}
    for each in sentences:
        signs = tuple(name.split("-")[0] for name in each.takes)
        said.setdefault(each.split, set()).add(signs)
        sessions.setdefault(each.split, set()).update(name.split("-")[1] for name in each.takes)
    assert {split: len(own) for split, own in said.items()} == {"train": 12, "dev": 3, "test": 4}
    assert not said["train"] & said["test"] and not said["train"] & said["dev"]
    assert sessions == {"train": {"a", "b"}, "dev": sessions["dev"], "test": {"c"}}
    assert sessions["dev"] <= {"a", "b"}
    assert sum(each.split == "train" for each in sentences) == 24


def test_a_sentence_is_of_one_session_and_its_takes_are_of_different_ones():
    sentences = planned(all_takes())
    for each in sentences:
        assert {name.split("-")[1] for name in each.takes} == {each.session}
    versions = {}
    for each in sentences:
        versions.setdefault((each.split, each.number), []).append(each.session)
    assert all(
        sorted(own) == ["a", "b"] for (split, _), own in versions.items() if split == "train"
    )


def test_a_sign_that_a_session_lacks_is_taken_from_the_nearest_one():
    grammar = GRAMMAR.replace("%test_sessions c\n", "")
    lacking = {("c", "tea"), ("c", "milk")}
    mixed = [each for each in planned(all_takes(lacking=lacking), grammar) if each.session == "c"]
    taken = [name.split("-") for each in mixed for name in each.takes]
    assert {session for sign, session, _ in taken if sign in ("tea", "milk")} == {"b"}
    assert {session for sign, session, _ in taken if sign not in ("tea", "milk")} == {"c"}


def test_what_cannot_be_signed_is_refused():
    parsed = parse_grammar(GRAMMAR)
    without = [each for each in all_takes() if each.text != "milk"]
    with pytest.raises(DataError, match="no take of the sign 'milk' serves train"):
        take_pools(without, parsed, by_manifest=False)
    with pytest.raises(DataError, match="session 'c' has no take"):
        take_pools(all_takes("ab"), parsed, by_manifest=False)


def test_the_corpus_s_own_splits_are_kept():
    parsed = parse_grammar(GRAMMAR.replace("%test_sessions c\n", ""))
    given = {"a": "train", "b": "dev", "c": "test"}
    takes = [dataclasses.replace(each, split=given[each.session]) for each in all_takes()]
    pools = take_pools(takes, parsed, by_manifest=True)
    for session, split in given.items():
        assert {name for sessions in pools[split].values() for name in sessions} == {session}


def test_signs_are_joined_by_ways_that_start_and_arrive_slowly():
    first, second = take("tea", "a").clip, take("tea", "b", shift=1.0).clip
    joined = join_signs([first, second])
    frames = round(EASE * first.fps)
    assert len(joined) == 40 + frames
    np.testing.assert_array_equal(joined.positions[:20], first.positions)
    np.testing.assert_array_equal(joined.positions[20 + frames :], second.positions)
    way = np.concatenate([first.positions[-1:], joined.positions[20 : 20 + frames + 1]])
    steps = np.linalg.norm(np.diff(way, axis=0), axis=-1).mean(-1)
    assert steps[0] < 0.5 * steps.max() and steps[-1] < 0.5 * steps.max()
    np.testing.assert_allclose(steps, steps[::-1], rtol=0.1)


def rising(frames=50, hand="right"):
    """A take from the lap and back: the hand is up from frame 16 to 34, the other one rests."""
    clip = waving(frames)
    positions = clip.positions.copy()
    moments = np.arange(frames)
    height = np.interp(moments, [10, 16, 34, 40], [0.0, 1.2, 1.2, 0.0])
    for side in ("left", "right"):
        joints = [OPENPOSE50.index(f"{side}_wrist"), *OPENPOSE50.groups[f"{side}_hand"]]
        positions[:, joints] = positions[:1, joints]
        positions[:, joints, 1] += 1.0 - positions[:1, joints[:1], 1]
        if side == hand:
            positions[:, joints, 1] -= height[:, None]
            positions[17:34, joints, 0] += 0.1 * np.sin(moments[17:34])[:, None]
    return PoseClip(positions.astype(np.float32), np.ones_like(clip.confidence), clip.fps)


@pytest.mark.parametrize(("hand", "other"), [("right", "left"), ("left", "right")])
def test_of_a_take_from_the_lap_the_raised_hand_s_part_is_kept(hand, other):
    part = signing_part(rising(hand=hand))
    assert 16 <= len(part) <= 26
    wrist = OPENPOSE50.index(f"{hand}_wrist")
    assert part.positions[:, wrist, 1].max() < 0.3
    assert part.observed[:, list(OPENPOSE50.groups[f"{hand}_hand"])].all()
    assert not part.observed[:, list(OPENPOSE50.groups[f"{other}_hand"])].any()
    assert part.observed[:, OPENPOSE50.index(f"{other}_wrist")].all()


def test_a_sign_that_is_held_keeps_some_of_its_hold():
    clip = rising()
    still = dataclasses.replace(clip, positions=np.repeat(clip.positions[20:21], 50, axis=0))
    assert len(signing_part(still)) == round(LEAST * clip.fps)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A folder of takes as a user would have them: `.skels` and a table."""
    folder = tmp_path_factory.mktemp("takes")
    takes = all_takes()
    clips = [each.clip for each in takes]
    lost = clips[0].confidence.copy()
    lost[:, 8:] = 0  # its hands were never seen
    clips[0] = dataclasses.replace(clips[0], confidence=lost)
    write_skels(folder / "all.skels", clips)
    (folder / "all.files").write_text("".join(f"{each.id}\n" for each in takes))
    (folder / "all.text").write_text("".join(f"{each.text}\n" for each in takes))
    with open(folder / "takes.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "text", "signer"))
        writer.writerows((each.id, each.text, each.session) for each in takes)
    (folder / "cafe.grammar").write_text(GRAMMAR)
    return folder


def composed(folder, data_dir, **options):
    values = {"manifest": folder / "takes.csv", "grammar": folder / "cafe.grammar"} | options
    return prepare_corpus(SETTINGS, folder, data_dir, **values)


def parts(data_dir):
    folder = source_folder(data_dir, "asl", "cafe")
    return {path.name: path.read_bytes() for path in folder.glob("part-*.npz")}


def test_a_folder_of_takes_becomes_a_data_set_of_sentences(recorded, tmp_path):
    report = composed(recorded, tmp_path)
    assert report["splits"] == {"train": 24, "dev": 3, "test": 4}
    assert [each["id"] for each in report["lost"]] == ["hello-a-0"]
    assert report["composed"]["sessions"]["test"] == ["c"]
    assert report["composed"]["takes"] == 29
    assert "sessions kept for one of them: c" in report["splits_by"]
    found = {}
    for split in ("train", "dev", "test"):
        source = splits.open_split("prompt2sign/asl_cafe", "asl", split, tmp_path)
        for index, text in enumerate(source.texts):
            example = source[index]
            assert example["gloss"] == text.upper().replace("THANK YOU", "THANK-YOU")
            assert text in example["prompt"]
            assert (example["signer"] == "c") == (split == "test")
            signs = len(source.units[index])
            assert len(example["pose"]) <= 20 * signs + round(EASE * 25) * (signs - 1)
            found.setdefault(split, set()).add(text)
    assert not found["train"] & found["test"]
    lexicon = train_lexicon(source_folder(tmp_path, "asl", "cafe"), parse_grammar(GRAMMAR), "asl")
    assert set(lexicon) == {"HELLO", "TEA", "COFFEE", "MILK", "THANK-YOU"}
    assert {each.session for own in lexicon.values() for each in own} == {"a", "b"}
    before = parts(tmp_path)
    (next(source_folder(tmp_path, "asl", "cafe").glob("part-*.npz"))).unlink()
    assert composed(recorded, tmp_path) == report
    assert parts(tmp_path) == before


def test_words_are_spelled_within_sentences_others_in_every_split(recorded, tmp_path):
    grammar = tmp_path / "names.grammar"
    spells = "sentence = [hello] drink <spelled> | hello <spelled> | <spelled> drink [drink]"
    grammar.write_text(re.sub("sentence = .*", spells, GRAMMAR).replace('"thank you"', "milk"))
    composed(recorded, tmp_path / "data", grammar=grammar)
    found = {}
    for split in ("train", "dev", "test"):
        source = splits.open_split("prompt2sign/asl_cafe", "asl", split, tmp_path / "data")
        for index, (text, glosses) in enumerate(zip(source.texts, source.units)):
            (word,) = find_spelled(text, glosses, "asl")
            found.setdefault(split, set()).add(word)
            said = " ".join(spelled_glosses(word, "asl"))
            assert source[index]["gloss"] == " ".join(
                said if other == word else other.upper() for other in text.split()
            )
            letters = len(fingerspelling.spelled_clip(word, "asl"))
            signs, least = text.count(" "), round(EASE * 25)
            assert letters < source.lengths[index] <= letters + signs * (20 + least)
    assert not found["train"] & found["test"] and len(found["train"]) > 12
    assert not set(SIGNS) & set.union(*found.values())


def test_a_language_without_an_alphabet_spells_nothing(tmp_path):
    with pytest.raises(TextError, match="no fingerspelling is recorded for 'ksl'"):
        check_settings(
            Settings("ksl", "cafe", "skels", fps=25.0), parse_grammar("sentence = <spelled>")
        )


def test_made_up_names_stand_in_sentences_that_are_there(recorded, tmp_path):
    grammar = tmp_path / "names.grammar"
    grammar.write_text(GRAMMAR.replace('["thank you"]', '["thank you"] <spelled>'))
    composed(recorded, tmp_path / "data", grammar=grammar)
    source = splits.open_split("prompt2sign/asl_cafe", "asl", "train", tmp_path / "data")
    made_up, random = names_of(source), np.random.default_rng(0)
    assert 0 < len(made_up.words) < len(source) == len(made_up.sentences)  # not all have a name
    drawn = [made for _ in range(100) if (made := made_up.draw(random))]
    named = [find_spelled(text, glosses, "asl") for text, glosses in drawn]
    assert {len(words) for words in named} >= {0, 1}
    for (text, glosses), words in zip(drawn, named):
        signed = [gloss for gloss in glosses if not gloss.startswith("FS:")]
        rest = " ".join(word for word in text.split() if word not in words)
        assert rest == " ".join(signed).lower().replace("-", " ")
    assert len({text for text, _ in drawn} - {*source.texts}) > 40


def test_a_sentence_has_pieces_where_its_text_says_its_glosses():
    said = ["HELLO", "FS:A", "FS:L", "THANK-YOU"]
    assert pieces_of("hello al thank you", said, "asl") == (
        *(("hello", ("HELLO",)), ("al", None), ("thank you", ("THANK-YOU",))),
    )
    for text in ("hello thank you", "hello al", "hello al thank you please", "hi al thank you"):
        assert pieces_of(text, said, "asl") == ()


@pytest.mark.parametrize("option", [{"split": "train"}, {"limit": 3}])
def test_options_that_do_not_go_with_a_grammar_are_refused(recorded, tmp_path, option):
    with pytest.raises(ConfigError, match=f"--compose does not go with --{next(iter(option))}"):
        composed(recorded, tmp_path, **option)
    assert not list(tmp_path.iterdir())
