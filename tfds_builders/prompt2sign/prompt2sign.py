"""TFDS builder `prompt2sign`: texts with the 3D pose sequences that sign them.

One config is one language of one source, for example `asl_fingerspelling`. The builder only
declares features and splits; a source yields examples that are already read and normalised.

TensorFlow is not needed as long as `file_format="array_record"` is passed to the builder.
"""

import dataclasses
from collections.abc import Callable, Iterator
from typing import ClassVar

import numpy as np
import tensorflow_datasets as tfds

from signllm_jax.data import fingerspelling
from signllm_jax.skeleton import OPENPOSE50

SPLITS = ("train", "dev", "test")


@dataclasses.dataclass(frozen=True)
class Source:
    """Where examples come from.

    Attributes:
        languages: codes of the languages it has.
        examples: (language, split) -> features of one example after the other, without `source`.
    """

    languages: tuple[str, ...]
    examples: Callable[[str, str], Iterator[dict]]


def _fingerspelled(language: str, split: str) -> Iterator[dict]:
    for example in fingerspelling.corpus(language, split):
        yield {
            "id": example.id,
            "language": language,
            "text": example.text,
            "prompt": example.prompt,
            "gloss": " ".join(example.units),
            "signer": f"{language}_alphabet",
            "fps": example.clip.fps,
            "pose": example.clip.positions.astype(np.float16),
            "confidence": example.clip.confidence.astype(np.float16),
        }


SOURCES = {"fingerspelling": Source(fingerspelling.LANGUAGES, _fingerspelled)}


class Prompt2SignConfig(tfds.core.BuilderConfig):
    """A language of a source; its name is `<language>_<source>`."""

    def __init__(self, language: str, source: str):
        super().__init__(
            name=f"{language}_{source}", description=f"{source} examples of {language}"
        )
        self.language = language
        self.source = source


class Prompt2Sign(tfds.core.GeneratorBasedBuilder):
    """Text and gloss to sign language poses.

    `info.metadata["splits"][split]` lists, in the order of the records, `ids`, `texts`, `glosses`
    and `lengths` (frames T), so that data can be planned without reading a record.
    """

    name = "prompt2sign"
    VERSION = tfds.core.Version("1.1.0")
    RELEASE_NOTES: ClassVar = {
        "1.0.0": "Fingerspelled words of ASL, GSL, DSGS and TSL.",
        "1.1.0": "A doubled letter moves the hand by its own width.",
    }
    BUILDER_CONFIGS: ClassVar = [
        Prompt2SignConfig(language, name)
        for name, source in SOURCES.items()
        for language in source.languages
    ]
    pkg_dir_path = None  # no licence, citation or tag files beside this module

    def _info(self) -> tfds.core.DatasetInfo:
        joints = OPENPOSE50.size
        text = tfds.features.Text

        def array(*shape):  # stored as bytes: ten times faster to write than numbers
            return tfds.features.Tensor(shape=shape, dtype=np.float16, encoding="bytes")

        return tfds.core.DatasetInfo(
            builder=self,
            description="Texts with the 3D pose sequences that sign them.",
            features=tfds.features.FeaturesDict(
                {
                    "id": text(),
                    "language": text(),
                    "source": text(),
                    "text": text(),
                    "prompt": text(),
                    "gloss": text(),
                    "signer": text(),
                    "fps": np.float32,
                    "pose": array(None, joints, 3),
                    "confidence": array(None, joints),
                }
            ),
            disable_shuffling=True,
            metadata=tfds.core.MetadataDict(layout=OPENPOSE50.name, splits={}),
        )

    def _split_generators(self, dl_manager):
        """Splits in the order of `SPLITS`, all local."""
        return {split: self._generate_examples(split) for split in SPLITS}

    def _generate_examples(self, split):
        """Yields (number, features) and fills the metadata on the way."""
        config = self.builder_config
        listed = {"ids": [], "texts": [], "glosses": [], "lengths": []}
        self.info.metadata["splits"][split] = listed
        examples = SOURCES[config.source].examples(config.language, split)
        for number, example in enumerate(examples):
            for key, feature in (("ids", "id"), ("texts", "text"), ("glosses", "gloss")):
                listed[key].append(example[feature])
            listed["lengths"].append(len(example["pose"]))
            yield number, {"source": config.source, **example}
