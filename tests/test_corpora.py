"""The builder's corpora, its files by TFDS's conventions, its dummy data; without TensorFlow."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from tensorflow_datasets.core.dataset_metadata import valid_tags

from signllm_jax.core.errors import ConfigError
from signllm_jax.core.languages import LANGUAGES
from signllm_jax.corpora import published
from signllm_jax.corpora.shards import FOLDER, prepared_sources
from signllm_jax.data import splits
from tfds_builders.prompt2sign import Prompt2Sign, Prompt2SignConfig, make_dummy_data

HERE = Path(make_dummy_data.__file__).parent
DUMMY = HERE / "dummy_data"


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """A data folder whose prepared sources are the dummy data."""
    folder = tmp_path_factory.mktemp("dummy")
    shutil.copytree(DUMMY, folder / FOLDER)
    return folder


def builder(config, folder):
    return Prompt2Sign(config=config, data_dir=folder, file_format=splits.FILE_FORMAT)


def test_every_language_has_a_config_of_all_its_sources_and_one_of_each():
    configs = set(Prompt2Sign.builder_configs)
    assert set(LANGUAGES) == set(published.LANGUAGES) < configs
    for name, corpus in published.CORPORA.items():
        assert {f"{code}_{name}" for code in corpus.languages} < configs


@pytest.mark.parametrize("name", Prompt2Sign.builder_configs)
def test_a_config_says_whose_it_is_and_on_what_terms(name, tmp_path):
    made = builder(name, tmp_path)
    config, info = made.builder_config, made.info
    assert LANGUAGES[config.language].name in config.description
    own = published.CORPORA.get(config.source)
    mine = (
        [own] if own else [c for c in published.PREPARED.values() if config.language in c.languages]
    )
    for corpus in mine:
        assert corpus.title in config.description
        assert f"{corpus.title}: {corpus.licence}" in info.redistribution_info.license
        assert f"{{{corpus.citation}," in info.citation
    assert info.citation.count("\n@") == len(mine)
    assert info.citation.startswith("@article{fang2024signllm,")
    assert info.homepage.startswith("https://")
    assert info.description.startswith("Texts of eight sign languages")


def test_a_corpus_of_ones_own_has_terms_of_its_own(tmp_path):
    made = builder(Prompt2SignConfig("asl", "mine"), tmp_path)
    assert made.info.redistribution_info.license == "by the terms of the corpus that was prepared"
    assert made.builder_config.description == "American Sign Language: mine."
    with pytest.raises(ConfigError, match="'xyz'"):
        Prompt2SignConfig("xyz")


def test_the_instructions_lead_from_the_owner_to_the_data():
    told = Prompt2Sign.MANUAL_DOWNLOAD_INSTRUCTIONS
    for name, corpus in published.PREPARED.items():
        assert corpus.title in told and corpus.homepage in told and f"--name={name} " in told
    assert told.count("launch/prepare.py --source") == len(published.PREPARED)


def test_who_has_nothing_prepared_gets_the_instructions(tmp_path):
    with pytest.raises(AssertionError, match="ask for it at https://how2sign"):
        builder("asl_how2sign", tmp_path).download_and_prepare()


def test_tags_are_those_of_tfds_and_every_citation_is_used():
    metadata = Prompt2Sign.get_metadata()
    assert metadata.tags and set(metadata.tags) <= set(valid_tags())
    spoken = {language.spoken.partition("-")[0] for language in LANGUAGES.values()}
    assert {f"content.language.{code}" for code in spoken} < set(metadata.tags)
    used = {corpus.citation for corpus in published.CORPORA.values()}
    assert metadata.citation.count("\n@") == len(used)
    shared = [corpus.citation for corpus in published.CORPORA.values() if corpus.spelled]
    assert len(used) == len(published.CORPORA) - len(shared) + len({*shared})


def test_the_files_beside_the_builder_are_installed_with_it():
    setup = (HERE.parents[1] / "setup.cfg").read_text()
    assert "tfds_builders.prompt2sign = *.md, *.bib, *.txt" in setup
    assert "signllm_jax.text = templates/*.txt" in setup


def test_the_dummy_data_is_what_its_program_writes(tmp_path):
    make_dummy_data.write(tmp_path)
    made, kept = ({path.relative_to(top) for path in top.rglob("*")} for top in (tmp_path, DUMMY))
    assert made == kept
    for old, new in zip(prepared_sources(DUMMY), prepared_sources(tmp_path), strict=True):
        assert list(old.listed()) == list(new.listed())
        for split in make_dummy_data.SPLITS:
            for (a, *x), (b, *y) in zip(old.examples(split), new.examples(split), strict=True):
                assert a == b
                for one, other in zip(x, y):
                    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("language", published.LANGUAGES)
def test_dummy_data_becomes_a_data_set(language, data_dir):
    names = [n for n, corpus in published.PREPARED.items() if language in corpus.languages]
    for number, split in enumerate(make_dummy_data.SPLITS):
        opened = splits.open_split("prompt2sign", language, split, data_dir)
        assert len(opened) == len(names)
        assert {opened[i]["source"] for i in range(len(opened))} == set(names)
        example = opened[0]
        np.testing.assert_array_equal(example["pose"], make_dummy_data.jumping(number))
        assert example["text"] in example["prompt"]
    one = splits.open_split(f"prompt2sign/{language}_{names[-1]}", language, "dev", data_dir)
    assert [one[i]["source"] for i in range(len(one))] == names[-1:]


def test_tfds_finds_the_builder_by_name(data_dir):
    splits.prepare("prompt2sign", "asl", data_dir)
    found = tfds.builder("prompt2sign/asl", data_dir=data_dir)
    assert found.info.splits["train"].num_examples == 1
    records = tfds.data_source("prompt2sign/asl", split="test", data_dir=data_dir)
    assert records[0]["text"].decode() == "how2sign test clip"
