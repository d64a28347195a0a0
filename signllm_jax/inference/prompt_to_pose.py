"""Prompt to LangGloss to clip: both stages of a Prompt2LangGloss group, compiled once.

The server and the evaluation both run this code.
"""

from collections.abc import Sequence

from jaxtyping import Float

from signllm_jax.artifacts.group import Group, check_trained
from signllm_jax.core.errors import TextError
from signllm_jax.core.typing import Array, Tree
from signllm_jax.inference.prompt_to_gloss import understand
from signllm_jax.inference.request import Draw, Request
from signllm_jax.inference.text_to_gloss import Translator
from signllm_jax.inference.text_to_pose import Producer
from signllm_jax.models.prompt2langgloss import pose_params, text_params
from signllm_jax.poses.clip import PoseClip
from signllm_jax.text.langgloss import split_marks


class PromptToPose:
    """Both stages of a group; the `params` of its methods are stacked [1, ...].

    Args:
        group: Sizes, tables and statistics of the model.
        mesh: Mesh that the parameters lie on.
        batch_size: Number of prompts decoded together, a multiple of the mesh's row axes.
    """

    def __init__(self, group: Group, mesh, batch_size: int):
        self._group, self._batch_size = group, batch_size
        self._language = group.needed_text_stage.vocabulary.languages[0]
        self._translator = Translator(group.model, group.needed_text_stage, mesh, batch_size)
        self._producer = Producer([group], mesh, batch_size)

    def gloss(self, params: Tree, requests: Sequence[Request]) -> list[str]:
        """The LangGloss of requests, `<asl:H> <asl:I>` each; '' where nothing is understood."""
        asked = [request.model_input for request in requests], [r.language for r in requests]
        stage = self._translator, self._group.dataset, text_params(params)
        return [" ".join(line) for line in understand(*stage, *asked)]

    def unaided(
        self, params: Tree, prompts: Sequence[str], callers: Sequence[str | None]
    ) -> list[list[str]]:
        """The lines that the text stage writes without rules; arguments as of `Translator`."""
        return self._translator(text_params(params), prompts, callers)

    def clips(
        self, params: Tree, glosses: Sequence[str], draws: Sequence[Draw]
    ) -> list[PoseClip | TextError]:
        """The clips of LangGloss, or why there is none: it is empty, too long or too short."""
        made = self.made(params, glosses, draws)
        return [clip if isinstance(clip, TextError) else clip[0] for clip in made]

    def made(
        self, params: Tree, glosses: Sequence[str], draws: Sequence[Draw] | None = None
    ) -> list[tuple[PoseClip, bool] | TextError]:
        """As `clips`, with a flag per clip whether it ended by itself; `draws` as of `Producer`."""
        if draws is None:
            draws = [Draw(sample=sample) for sample in range(len(glosses))]
        refusals = [self._refusal(gloss) for gloss in glosses]
        fitting = [i for i, refusal in enumerate(refusals) if refusal is None]
        lines, chosen = [glosses[i] for i in fitting], [draws[i] for i in fitting]
        clips = self._producer(pose_params(params), [lines], [chosen])[0]
        made = dict(zip(fitting, clips, strict=True))
        return [made[i] if refusal is None else refusal for i, refusal in enumerate(refusals)]

    def durations(
        self, params: Tree, glosses: Sequence[str]
    ) -> list[Float[Array, " tokens"] | None]:
        """Duration in frames of each token of lines of LangGloss; see `Producer.durations`."""
        return self._producer.durations(pose_params(params), glosses)

    def _refusal(self, gloss: str) -> TextError | None:
        if not gloss:
            return TextError("nothing to sign was understood")
        try:
            count = len(self._producer.encode(gloss, 0))
            check_trained(self._group, count, "".join(sign for _, sign in split_marks(gloss)))
        except TextError as error:
            return error
        return None

    def warm_up(self, params: Tree) -> None:
        """Compiles, or loads what has been compiled."""
        for prompt in ("a", "1"):  # with a word that can be spelled, and without one
            self.gloss(params, [Request(self._language, prompt, prompt)] * self._batch_size)
        self._producer.warm_up(pose_params(params))
