"""The registry of sign languages, and entries of one's own."""

import json
import subprocess
import sys

import pytest

from configs import mlsf
from signllm_jax.core import languages
from signllm_jax.core.config import read_config
from signllm_jax.core.errors import ConfigError
from signllm_jax.core.languages import Language, add_language, get_language, read_languages
from signllm_jax.inference.request import choose_language
from signllm_jax.text.language_names import known_code
from signllm_jax.text.prompts import make_prompt, parse_prompt

SPANISH = Language("lse", "Spanish Sign Language", "ssp", "es")


@pytest.fixture
def spanish():
    add_language(SPANISH)
    yield SPANISH
    del languages.LANGUAGES["lse"]


def test_a_ninth_language_is_one_entry(spanish):
    assert get_language("lse") is spanish
    add_language(Language("lse", "Spanish Sign Language", "ssp", "es"))  # the same again


def test_prompts_may_ask_for_a_ninth_language_by_name(spanish):
    assert parse_prompt("How do you sign 'sol' in LSE?") == ("sol", "lse")
    assert parse_prompt("Wie gebärdet man 'sol' in Spanischer Gebärdensprache?") == ("sol", "lse")
    for number in range(40):
        prompt = make_prompt("sol", "lse", str(number))
        assert parse_prompt(prompt, "lse") == ("sol", "lse")


@pytest.mark.parametrize(
    "entry, word",
    [
        (Language("asl", "Another", "xxx", "en"), "American Sign Language"),
        (Language("asl_x", "Another", "xxx", "en"), "'asl'"),
        (Language("lsf", "Another", "xxx", "en"), "'lsf_ch'"),
        (Language("../x", "Another", "xxx", "en"), "a-z"),
        (Language("x", "Another", "xxx", "en"), "a-z"),
        (Language("xyz", "", "xxx", "en"), "name"),
        (Language("xyz", "Another", 5, "en"), "iso"),
    ],
)
def test_an_entry_that_cannot_be_is_refused(entry, word):
    before = dict(languages.LANGUAGES)
    with pytest.raises(ConfigError, match=word):
        add_language(entry)
    assert before == languages.LANGUAGES


@pytest.mark.parametrize(
    "code, called",
    [
        ("asl", "asl ASL Asl ase american_sign_language American-Sign-Language"),
        ("gsl", "gsl GSL dgs DGS gsg GSG"),
        ("tsl", "tsl TSL TİD tid tsm"),
        ("lsf_ch", "lsf_ch LSF-CH lsf-ch LSF ssr"),
        ("lis_ch", "LIS lis"),
    ],
)
def test_a_language_may_be_called_by_any_of_its_names(code, called):
    entry = get_language(code)
    for name in (*called.split(), entry.name, entry.name.upper(), f" {entry.name.lower()}  "):
        assert known_code(name) == code
        assert choose_language(("asl", "gsl", "tsl", "lsf_ch", "lis_ch"), name) == code
        assert parse_prompt("How do you sign 'sol'?", name) == ("sol", code)


def test_names_in_other_spoken_languages_are_known():
    assert known_code("Deutsche Gebärdensprache") == "gsl"
    assert known_code("türk işaret dili") == "tsl"


def test_a_config_may_name_languages_as_people_do():
    config = mlsf.get_config().to_dict()
    config["data"]["languages"] = ("ASL", "Turkish Sign Language", "xyz")
    config["train"]["language_steps"] = {"DGS": 5, "xyz": 6}
    config = read_config(config)
    assert config.data.languages == ("asl", "tsl", "xyz")
    assert config.train.language_steps == {"gsl": 5, "xyz": 6}


@pytest.mark.parametrize(
    "name, said",
    [
        ("swiss", "did you mean dsgs (Swiss German Sign Language)"),
        ("dgss", "did you mean"),
        ("klingon", "known are asl"),
        ("British Sign Language", "known are asl"),
        (5, "not 5"),
        (None, "not None"),
    ],
)
def test_what_is_no_language_is_refused_with_the_nearest_one(name, said):
    with pytest.raises(ConfigError) as raised:
        known_code(name)
    assert said in str(raised.value) and "\n" not in str(raised.value)


def test_a_run_says_which_languages_it_has():
    for name, said in (("ksl", "Korean"), ("xyz", "'xyz'"), (3, "not 3")):
        with pytest.raises(ConfigError, match=said):
            choose_language(("asl", "gsl"), name)


@pytest.mark.parametrize("text", ["", "{", "5", "[5]", '[{"code": "a"}]', '[{"kode": "a"}]'])
def test_a_file_that_lists_no_languages_is_named(text, tmp_path):
    (tmp_path / "mine.json").write_text(text)
    with pytest.raises(ConfigError, match="mine"):
        read_languages(tmp_path / "mine.json")


def test_the_environment_names_a_file_of_entries(tmp_path):
    (tmp_path / "mine.json").write_text(json.dumps([vars(SPANISH)]))
    code = "from signllm_jax.core.languages import LANGUAGES; print(*LANGUAGES)"

    def known(path):
        env = {languages.FILE: str(path)}
        return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)

    assert known(tmp_path / "mine.json").stdout.split()[-2:] == ["tsl", "lse"]
    assert "none.json: no list" in known(tmp_path / "none.json").stderr


@pytest.mark.parametrize(
    ("name", "code"), [("German", "gsl"), ("turkish", "tsl"), ("Swiss German", "dsgs")]
)
def test_english_names_may_go_without_sign_language(name, code):
    assert known_code(name) == code


def test_a_spoken_language_of_no_entry_is_no_sign_language_of_ours():
    with pytest.raises(ConfigError, match="unknown language 'Spanish'"):
        known_code("Spanish")
