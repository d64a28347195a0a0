"""TFDS's own tests of the builder, on dummy_data; they need TensorFlow: `make tfds-env`.

.venv-tfds/bin/python -m pytest tfds_builders/prompt2sign/prompt2sign_test.py
"""

from typing import ClassVar

import tensorflow_datasets as tfds

from signllm_jax.corpora.published import LANGUAGES, PREPARED
from tfds_builders.prompt2sign import Prompt2Sign

_SOURCES = {
    code: [name for name, corpus in PREPARED.items() if code in corpus.languages]
    for code in LANGUAGES
}


class SourceTest(tfds.testing.DatasetBuilderTestCase):
    """Configs of one source, and of languages with one source."""

    DATASET_CLASS = Prompt2Sign
    BUILDER_CONFIG_NAMES_TO_TEST: ClassVar = [
        *(f"{code}_{name}" for code, names in _SOURCES.items() for name in names),
        *(code for code, names in _SOURCES.items() if len(names) == 1),
    ]
    SPLITS: ClassVar = {"train": 1, "dev": 1, "test": 1}


class MergedTest(tfds.testing.DatasetBuilderTestCase):
    """Configs of languages with two sources, which have both of them."""

    DATASET_CLASS = Prompt2Sign
    BUILDER_CONFIG_NAMES_TO_TEST: ClassVar = [
        code for code, names in _SOURCES.items() if len(names) == 2
    ]
    SPLITS: ClassVar = {"train": 2, "dev": 2, "test": 2}


if __name__ == "__main__":
    tfds.testing.test_main()
