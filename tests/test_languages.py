"""The registry of sign languages, and entries of one's own."""

import json
import subprocess
import sys

import pytest

from signllm_jax.core import languages
from signllm_jax.core.errors import ConfigError
from signllm_jax.core.languages import Language, add_language, get_language, read_languages
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
