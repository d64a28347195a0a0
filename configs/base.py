"""Tables that the configs share: model sizes and data sets."""

import ml_collections

from signllm_jax.core.config import Config, to_dict
from signllm_jax.core.errors import ConfigError
from signllm_jax.core.skeleton import DWPOSE128

# parameters per language within 5% of the name's; a test counts them
SIZES = {
    "tiny": {"vocab": 128, "width": 128, "heads": 4, "mlp": 512, "patch": 8},
    "base": {"vocab": 8192, "width": 768, "heads": 6, "mlp": 3072, "patch": 1, "dropout": 0.1},
    "large": {"vocab": 8192, "width": 1024, "heads": 8, "mlp": 3840, "patch": 1, "dropout": 0.1},
    "super": {"vocab": 8192, "width": 2048, "heads": 16, "mlp": 8960, "patch": 1, "dropout": 0.1},
}
LAYERS = {"tiny": (2, 2), "base": (2, 2), "large": (4, 4), "super": (8, 8)}

GLOSS_CORPORA = {
    "data": {"row_units": 128, "row_tokens": 80, "row_clips": 10},
    "text": {"kind": "words"},
}
DATASETS = {
    "fingerspelling": {
        "data": {"row_frames": 256, "row_tokens": 32, "row_clips": 4},
        "text": {"kind": "letters"},
        "rl": {"capacity": 400, "clip_frames": 96, "clip_tokens": 8},  # all of a train split
    },
    # texts of 1 to 16 letters: the longest lasts 256 frames, and generation may overshoot
    "fingerspelling_texts": {
        "data": {"row_frames": 256, "row_tokens": 64, "row_clips": 8},
        "text": {"kind": "letters"},
        "eval": {"max_frames": 288},
        "rl": {"capacity": 1400, "clip_frames": 256, "clip_tokens": 16},
        # letters last equally long, whatever the text's length
        "model": {"token_clock": True},
        "loss": {"counter": 0.15, "counter_noise": 0.05},
    },
    # the same by eight signers, at 9 to 16 frames a letter: two takes of every train text
    "fingerspelling_signers": {
        "data": {"row_frames": 320, "row_tokens": 64, "row_clips": 8},
        "text": {"kind": "letters"},
        "eval": {"max_frames": 352, "clips": 60, "reader": True},
        "rl": {"capacity": 2800, "clip_frames": 320, "clip_tokens": 16},
        "model": {"token_clock": True},
        "loss": {"counter": 0.15, "counter_noise": 0.05},
    },
    # corpora that launch/prepare.py has prepared: signs and sentences, at tiny of up to 13 seconds
    "prompt2sign": {
        "data": {"row_frames": 320, "row_tokens": 96, "row_clips": 8, "plan": 2},
        "text": {"kind": "pieces"},
        "eval": {"max_frames": 320},
    },
    "phoenix14t": GLOSS_CORPORA,
    "gksl": GLOSS_CORPORA,
    "signsuisse": GLOSS_CORPORA,
    "gloss_corpora": GLOSS_CORPORA,
}
LONG_ROW = 512
"""Frames of a row above the size tiny: 20 seconds; longer clips are left out, and counted."""
PIECES = 512
"""Least number of rows of the token table for pieces; 256 of them are bytes."""


def config_dict(
    name: str, arg: str | None, default: str = "fingerspelling"
) -> ml_collections.ConfigDict:
    """The ConfigDict of `DATASET,SIZE`, both optional; raises ConfigError on an unknown one.

    Args:
        name: Name of the config file.
        arg: `DATASET,SIZE`.
        default: Data set where `arg` names none.
    """
    dataset, _, size = (arg or "").partition(",")
    dataset, size = dataset or default, size or "tiny"
    if dataset.partition("/")[0] not in DATASETS:
        raise ConfigError(f"unknown data set {dataset!r}: known are {', '.join(DATASETS)}")
    if size not in SIZES:
        raise ConfigError(f"unknown size {size!r}: known are {', '.join(SIZES)}")
    config = ml_collections.ConfigDict(to_dict(Config()))
    config.name, config.size = name, size
    config.data.dataset = dataset
    encoder, decoder = LAYERS[size]
    config.model.update(SIZES[size], encoder_layers=encoder, decoder_layers=decoder)
    for section, values in DATASETS[dataset.partition("/")[0]].items():
        config[section].update(values)
    if config.text.kind == "pieces" and size != "tiny":
        config.data.row_frames = config.eval.max_frames = LONG_ROW
    if config.text.kind == "pieces":
        config.model.vocab = max(config.model.vocab, PIECES)
    if dataset.endswith(DWPOSE128.name):
        config.data.layout = DWPOSE128.name
    return config
