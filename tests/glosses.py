"""Texts and their glosses, four of them, and the sizes of a text stage that reads them."""

from signllm_jax.core.config import ModelConfig, TextConfig
from signllm_jax.corpora import gloss_corpora

MODEL = ModelConfig(vocab=320, width=32, heads=4, mlp=64)
TEXT = TextConfig(
    kind="words",
    units=64,
    buckets=128,
    languages=4,
    encoder_layers=1,
    distances=3,
    dropout=0.0,
    longest=12,
    line=8,
    beams=1,
)
TEXTS = ("am abend regen", "morgen sonne", "morgen regen und wind", "am tag sonne und wind")
LINES = (("ABEND", "REGEN"), ("MORGEN", "SONNE"), ("MORGEN", "REGEN", "WIND"), ("TAG", "SONNE"))
PAIRS = [gloss_corpora.Pair(str(i), t, g) for i, (t, g) in enumerate(zip(TEXTS, LINES))]
