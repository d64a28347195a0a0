"""TFDS builder `prompt2sign`: texts with 3D pose sequences of their signs.

A config is one language: `asl` has all of its prepared sources, `asl_how2sign` one of them, and
`asl_dwpose128` those that were prepared as 2D clips with the face. `asl_fingerspelling` and similar
configs (`corpora/embedded.py`) are generated from a package and are not part of `asl`. The builder
only declares features and splits: `launch/prepare.py` reads and normalizes the clips and writes the
manual directory.

TensorFlow is not needed if the builder gets `file_format="array_record"`.
"""

from collections.abc import Iterator
from typing import Any, ClassVar, cast

import numpy as np
import tensorflow_datasets as tfds

from signllm_jax.core.errors import DataError
from signllm_jax.core.skeleton import OPENPOSE50, get_layout
from signllm_jax.corpora import published
from signllm_jax.corpora.digests import RecordsDigest
from signllm_jax.corpora.embedded import EMBEDDED
from signllm_jax.corpora.entries import SPLITS
from signllm_jax.corpora.listings import write_listing
from signllm_jax.corpora.shards import Prepared, prepared_sources

_STRINGS = ("id", "language", "source", "text", "prompt", "gloss", "signer")


def _embedded(config: "Prompt2SignConfig", split: str) -> Iterator[dict]:
    for example in EMBEDDED[config.source].corpus(config.language, split):
        yield {
            "id": example.id,
            "language": config.language,
            "source": config.source,
            "text": example.text,
            "prompt": example.prompt,
            "gloss": " ".join(example.units),
            "signer": example.signer or f"{config.language}_alphabet",
            "fps": example.clip.fps,
            "pose": example.clip.positions.astype(np.float16),
            "confidence": example.clip.confidence.astype(np.float16),
        }


class Prompt2SignConfig(tfds.core.BuilderConfig):
    """A language with all of its prepared sources or one of them.

    Attributes:
        language: Code of the language.
        source: Name of the source, or nothing for all sources.
        layout: Skeleton layout of the clips.
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

    `info.metadata["splits"][split]` has the number of `clips` and two digests that bind a run to
    its data: of the `listing` of ids, texts, glosses and lengths, and of the whole `records`. The
    listing is in files next to the records (`corpora/listings.py`), so that rows can be planned
    without reading a record.
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
        """The language and its sources."""
        return cast(Prompt2SignConfig, super().builder_config)

    def _info(self) -> tfds.core.DatasetInfo:
        config = self.builder_config
        joints = get_layout(config.layout).size
        files = self.get_metadata()

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
                    **{name: tfds.features.Text() for name in _STRINGS},
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
            splits = EMBEDDED[config.source].splits
            examples = {split: _embedded(config, split) for split in splits}
        else:
            sources = chosen_sources(dl_manager.manual_dir, config)
            metadata: Any = self.info.metadata
            metadata["sources"] = {source.source: source.digest for source in sources}
            parts = (part for source in sources for part in source.listed())
            filled = {example["split"] for part in parts for example in part["examples"]}
            examples = {split: _prepared(sources, split) for split in SPLITS if split in filled}
        return {split: self._generate_examples(split, examples[split]) for split in examples}

    def _generate_examples(self, split, examples):
        """Yields (number, features) and completes the metadata."""
        metadata: Any = self.info.metadata
        described = metadata["splits"][split] = {}
        digest = RecordsDigest()
        listed = write_listing(self.data_path, split, examples, described)
        for number, example in enumerate(listed):
            digest.add(example)
            yield number, example
        described["records"] = digest.hexdigest()


def chosen_sources(prepared, config: Prompt2SignConfig) -> list[Prepared]:
    """The complete prepared sources of a config; raises DataError if there are none."""
    sources = [
        source
        for source in prepared_sources(prepared, config.language)
        if source.layout == config.layout and config.source in ("", source.source)
    ]
    if not sources:
        raise DataError(
            f"{config.name}: nothing prepared in {prepared}: run launch/prepare.py "
            f"--language={config.language}"
        )
    return sources


def _prepared(sources: list[Prepared], split: str) -> Iterator[dict]:
    for source in sources:
        names = {"language": source.language, "source": source.source}
        for example, pose, confidence, fps in source.examples(split):
            values = example | names
            strings = {name: values[name] for name in _STRINGS}
            yield strings | {"fps": fps, "pose": pose, "confidence": confidence}
