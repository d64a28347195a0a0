import subprocess
import sys

import numpy as np
import pytest

from signllm_jax.core.errors import DataError
from signllm_jax.corpora import fingerspelling
from signllm_jax.data import splits
from tfds_builders.prompt2sign import Prompt2Sign


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    splits.prepare("fingerspelling", "tsl", folder)
    return folder


def test_a_split_gives_back_the_corpus(data_dir):
    dev = splits.open_split("fingerspelling", "tsl", "dev", data_dir)
    examples = list(fingerspelling.corpus("tsl", "dev"))
    assert len(dev) == len(examples) == 40
    for index, example in enumerate(examples):
        record = dev[index]
        assert (record["id"], record["text"]) == (example.id, example.text)
        assert record["gloss"].split() == list(example.units) == dev.units[index]
        assert record["prompt"] == example.prompt
        assert (record["language"], record["source"]) == ("tsl", "fingerspelling")
        assert record["fps"] == example.clip.fps
        assert record["pose"].dtype == record["confidence"].dtype == np.float16
        np.testing.assert_allclose(record["pose"], example.clip.positions, atol=2e-3)
        np.testing.assert_array_equal(record["confidence"], example.clip.confidence)


@pytest.mark.parametrize("split", fingerspelling.SPLITS)
def test_the_metadata_has_the_lengths_and_texts_of_the_records(data_dir, split):
    opened = splits.open_split("fingerspelling", "tsl", split, data_dir)
    records = [opened[index] for index in range(len(opened))]
    assert opened.lengths.tolist() == [len(record["pose"]) for record in records]
    assert opened.texts == [record["text"] for record in records]
    assert opened.ids == [record["id"] for record in records]
    assert tuple(opened.texts) == fingerspelling.words("tsl")[split]


def test_the_last_record_is_also_number_minus_one(data_dir):
    dev = splits.open_split("fingerspelling", "tsl", "dev", data_dir)
    assert dev[-1]["id"] == dev.ids[-1]
    with pytest.raises(IndexError):
        dev[40]


def test_two_processes_prepare_without_tensorflow_and_jax_and_leave_nothing_behind(tmp_path):
    folder = tmp_path / "prompt2sign" / "asl_fingerspelling"
    killed = folder / f"incomplete.ABCDEF_{Prompt2Sign.VERSION}"
    killed.mkdir(parents=True)
    program = (
        "import sys; from signllm_jax.data import splits; "
        "print(len(splits.open_split('fingerspelling', 'asl', 'test', sys.argv[1])), "
        "'tensorflow' in sys.modules, 'jax' in sys.modules)"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in started:
        output, errors = process.communicate(timeout=60)
        assert output.splitlines()[-1:] == ["40 False False"], errors
    versions = [path.name for path in killed.parent.iterdir()]
    assert len(versions) == 1 and "incomplete" not in versions[0]


def test_what_does_not_exist_is_refused_in_one_line(tmp_path):
    for arguments, named in (
        (("nothing", "asl", "dev"), "fingerspelling"),
        (("fingerspelling", "ksl", "dev"), "ksl"),
        (("fingerspelling", "asl", "val"), "val"),
    ):
        with pytest.raises(DataError, match=named) as caught:
            splits.open_split(*arguments, tmp_path)
        assert "\n" not in str(caught.value)


def test_a_folder_that_cannot_be_used_is_refused_in_one_line(tmp_path):
    file = tmp_path / "file"
    file.write_text("not a folder")
    with pytest.raises(DataError, match="file") as caught:
        splits.open_split("fingerspelling", "asl", "dev", file)
    assert "\n" not in str(caught.value)


def test_damaged_metadata_is_refused(tmp_path):
    splits.prepare("fingerspelling", "gsl", tmp_path)
    (metadata,) = (tmp_path / "prompt2sign" / "gsl_fingerspelling").glob("*/metadata.json")
    metadata.write_text("{")
    with pytest.raises(DataError):
        splits.open_split("fingerspelling", "gsl", "dev", tmp_path)
