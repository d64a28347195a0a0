"""TFDS builder `prompt2sign`: texts with the 3D pose sequences that sign them.

A config is one language: `asl` has all prepared sources of it, `asl_how2sign` one of them, and
`asl_dwpose128` those that were prepared as 2D clips with the face. `asl_fingerspelling` and its
like (`corpora/embedded.py`) are made from a package and are no part of `asl`. The builder only
declares features and splits: `launch/prepare.py` reads and normalizes, and what it writes is the
manual directory.

TensorFlow is not needed as long as `file_format="array_record"` is passed to the builder.
"""

from collections.abc import Iterator
from typing import ClassVar, cast

import numpy as np
import tensorflow_datasets as tfds

from signllm_jax.core.errors import DataError
from signllm_jax.core.skeleton import OPENPOSE50, get_layout
from signllm_jax.corpora import published
from signllm_jax.corpora.digests import RecordsDigest
from signllm_jax.corpora.embedded import EMBEDDED
from signllm_jax.corpora.listings import write_listing
from signllm_jax.corpora.shards import Prepared, prepared_sources

SPLITS = ("train", "dev", "test")
FINGERSPELLING = published.FINGERSPELLING


def _embedded(source: str, language: str, split: str) -> Iterator[dict]:
    for example in EMBEDDED[source].corpus(language, split):
        yield {
            "id": example.id,
            "language": language,
            "source": source,
            "text": example.text,
            "prompt": example.prompt,
            "gloss": " ".join(example.units),
            "signer": example.signer or f"{language}_alphabet",
            "fps": example.clip.fps,
            "pose": example.clip.positions.astype(np.float16),
            "confidence": example.clip.confidence.astype(np.float16),
        }


class Prompt2SignConfig(tfds.core.BuilderConfig):
    """A language, all its prepared sources or one.

    Attributes:
        language: code.
        source: name of the one source, or nothing for all.
        layout: skeleton layout of the clips.
    """

    def __init__(self, language: str, source: str = "", layout: str = OPENPOSE50.name):
        flat = "" if layout == OPENPOSE50.name else layout
        super().__init__(
            name="_".join(part for part in (language, source, flat) if part),
            description=published.describe(language, source),
        )
        self.language = language
        self.source = source
        self.layout = layout


class Prompt2Sign(tfds.core.GeneratorBasedBuilder):
    """Text and gloss to sign language poses.

    `info.metadata["splits"][split]` has the number of `clips`, and two digests that bind a run to
    its data: of the `listing` of ids, texts, glosses and lengths, and of all that the `records`
    hold. The listing lies in files beside the records (`corpora/listings.py`), so that data can be
    planned without reading a record.
    """

    name = "prompt2sign"
    VERSION = tfds.core.Version("1.3.0")
    RELEASE_NOTES: ClassVar = {
        "1.0.0": "Fingerspelled words of ASL, GSL, DSGS and TSL.",
        "1.1.0": "A doubled letter moves the hand by its own width.",
        "1.2.0": "Prepared corpora of all languages.",
        "1.3.0": "Prompts of fingerspelled words from many templates.",
    }
    BUILDER_CONFIGS: ClassVar = [
        *(
            Prompt2SignConfig(code, name)
            for name in EMBEDDED
            for code in published.CORPORA[name].languages
        ),
        *(Prompt2SignConfig(code) for code in published.LANGUAGES),
        *(
            Prompt2SignConfig(code, name)
            for name, corpus in published.PREPARED.items()
            for code in corpus.languages
        ),
    ]
    MANUAL_DOWNLOAD_INSTRUCTIONS = published.instructions()

    @property
    def builder_config(self) -> Prompt2SignConfig:
        """The language, and one of its sources or all."""
        return cast(Prompt2SignConfig, super().builder_config)

    @property
    def _metadata(self) -> tfds.core.MetadataDict:
        """What `_info` puts beside the features."""
        return cast(tfds.core.MetadataDict, self.info.metadata)

    def _info(self) -> tfds.core.DatasetInfo:
        config = self.builder_config
        joints = get_layout(config.layout).size
        files = self.get_metadata()
        text = tfds.features.Text

        def array(*shape):  # stored as bytes: ten times faster to write than numbers
            return tfds.features.Tensor(shape=shape, dtype=np.float16, encoding="bytes")

        return tfds.core.DatasetInfo(
            builder=self,
            description=files.description,
            citation=published.citations(files.citation, config.language, config.source),
            license=published.licences(config.language, config.source),
            homepage=published.homepage(config.language, config.source),
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
            metadata=tfds.core.MetadataDict(layout=config.layout, splits={}, sources={}),
        )

    def _split_generators(self, dl_manager):
        """Splits in the order of `SPLITS`; those without an example are left out."""
        config = self.builder_config
        if published.is_spelled(config.source):
            return {
                split: self._generate_examples(
                    split, _embedded(config.source, config.language, split)
                )
                for split in EMBEDDED[config.source].splits
            }
        sources = chosen_sources(dl_manager.manual_dir, config)
        self._metadata["sources"] = {each.source: each.digest for each in sources}
        found = {
            example["split"]
            for each in sources
            for part in each.listed()
            for example in part["examples"]
        }
        return {
            split: self._generate_examples(split, _prepared(sources, split))
            for split in SPLITS
            if split in found
        }

    def _generate_examples(self, split, examples):
        """Yields (number, features) and fills the metadata on the way."""
        described = {}
        self._metadata["splits"][split] = described
        digest = RecordsDigest()
        listed = write_listing(self.data_path, split, examples, described)
        for number, example in enumerate(listed):
            digest.add(example)
            yield number, example
        described["records"] = digest.hexdigest()


def chosen_sources(prepared, config: Prompt2SignConfig) -> list[Prepared]:
    """The complete prepared sources that a config has; raises DataError where there is none."""
    found = [
        each
        for each in prepared_sources(prepared, config.language)
        if each.layout == config.layout and config.source in ("", each.source)
    ]
    if not found:
        raise DataError(
            f"{config.name}: nothing prepared in {prepared}: run launch/prepare.py "
            f"--language={config.language}"
        )
    return found


def _prepared(sources: list[Prepared], split: str) -> Iterator[dict]:
    for each in sources:
        for example, pose, confidence, fps in each.examples(split):
            strings = {key: example[key] for key in ("id", "text", "prompt", "gloss", "signer")}
            yield strings | {
                "language": each.language,
                "source": each.source,
                "fps": fps,
                "pose": pose,
                "confidence": confidence,
            }
