"""Prompt2LangGloss: prompt -> LangGloss -> poses, one set of parameters for all languages.

The text stage is a Text2Gloss over the prompt, the pose stage a Text2Pose over LangGloss. They
share the table of LangGloss, E(language) + E(gloss), which is thus trained by both losses. The
pose stage reads LangGloss itself and not the states it was written from, so that it can be given
a line that is known to be right, and another text stage's.

Source: "SignLLM" (arXiv 2405.10718), Prompt2LangGloss.
"""

import jax.numpy as jnp
from jax.typing import DTypeLike

from signllm_jax.core.config import ModelConfig, TextConfig
from signllm_jax.core.typing import Array, Tree
from signllm_jax.models.mlsf import init_poses
from signllm_jax.models.text2gloss import Text2Gloss
from signllm_jax.models.text2pose import Text2Pose
from signllm_jax.text.source_tokens import columns


def stages(config: ModelConfig, text: TextConfig, dtype: DTypeLike = jnp.float32) -> tuple:
    """The modules of both stages: (Text2Gloss, Text2Pose)."""
    return Text2Gloss(config, text, dtype), Text2Pose(config, dtype, text.languages)


def init_lane(config: ModelConfig, text: TextConfig, text_key: Array, pose_key: Array) -> Tree:
    """Boxed parameters: `langgloss` (the shared table), `text_stage` and `pose_stage`."""
    text_stage, pose_stage = stages(config, text)
    units, line = jnp.zeros((1, 2, columns(text)), jnp.int32), jnp.zeros((1, 2), jnp.int32)
    text_tree = dict(text_stage.init(text_key, units, line, line, line)["params"])
    pose = dict(init_poses(pose_stage, pose_key))
    del pose["embed_text"]
    return {
        "langgloss": text_tree.pop("embed_gloss"),
        "text_stage": text_tree,
        "pose_stage": pose,
    }


def text_params(params: Tree) -> Tree:
    """The parameters of the text stage, as a Text2Gloss has them."""
    return params["text_stage"] | {"embed_gloss": params["langgloss"]}


def pose_params(params: Tree) -> Tree:
    """The parameters of the pose stage, as a Text2Pose has them."""
    return params["pose_stage"] | {"embed_text": params["langgloss"]}
