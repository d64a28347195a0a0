"""A trained Prompt2LangGloss behind the interface of `api.SignLLM`: prompts to clips."""

from collections.abc import Sequence

import jax

from signllm_jax.api import BATCH, Signed, SignLLM
from signllm_jax.artifacts.group import Group, check_trained
from signllm_jax.core.errors import CheckpointError, SignLLMError, TextError
from signllm_jax.data.prompt_sampling import LineTokenizer
from signllm_jax.inference.prompt_to_gloss import check_text, understand
from signllm_jax.inference.text_to_gloss import Translator
from signllm_jax.inference.text_to_pose import Producer
from signllm_jax.models.prompt2langgloss import pose_params, text_params
from signllm_jax.poses.clip import PoseClip
from signllm_jax.text.prompts import make_prompt, parse_prompt, question


class PromptedSignLLM(SignLLM):
    """One shared group for all languages. Make one with `SignLLM.load`."""

    def __init__(self, group: Group):
        if group.params is None:
            raise CheckpointError(f"the group {group.language} has no parameters")
        super().__init__(dict.fromkeys(group.text_stage.vocabulary.languages, group))
        stage, self._dataset = group.text_stage, group.dataset
        self._translators = {
            rows: Translator(group.model, stage, self._mesh, rows) for rows in (1, BATCH)
        }
        self._pose_stages = {
            rows: Producer(
                group.model,
                [LineTokenizer(stage)],
                [group.statistics],
                self._mesh,
                tokens=group.row_tokens,
                max_frames=group.max_frames,
                batch_size=rows,
                languages=stage.config.languages,
            )
            for rows in (1, BATCH)
        }
        params = jax.device_put(jax.tree.map(lambda leaf: leaf[None], group.params))
        self._text_params, self._pose_params = text_params(params), pose_params(params)

    def understand(self, prompts: Sequence[str], language: str) -> list[list[str]]:
        """The LangGloss of prompts that ask for one sign language: `<asl:H> <asl:I>` each.

        Raises:
            TextError: a prompt is too long, or nothing is understood.
        """
        lines = self._read(prompts, language, BATCH if len(prompts) > 1 else 1)
        for prompt, line in zip(prompts, lines):
            if not line:
                raise TextError(f"nothing to sign was understood: {prompt[:60]!r}")
        return lines

    def _read(self, prompts, language, rows) -> list[list[str]]:
        """See `understanding.understand`."""
        languages = [language] * len(prompts)
        translator = self._translators[rows]
        return understand(translator, self._dataset, self._text_params, prompts, languages)

    def understood(self, text: str | None, language: str | None, prompt: str | None = None) -> str:
        """See `SignLLM`: the LangGloss."""
        asked, language = self.asked(text, language, prompt)
        return " ".join(self.understand([asked], language)[0])

    def produce(self, text=None, language=None, seed=0, *, prompt=None) -> PoseClip:
        """See `SignLLM`; a prompt without quotation marks is read as it is."""
        del seed
        asked, language = self.asked(text, language, prompt)
        return self._clips([asked], language)[0]

    def produce_many(self, texts, language=None, seed=0) -> list[PoseClip]:
        """See `SignLLM`."""
        del seed
        language = self._language(language)
        return self._clips([self.asked(text, language)[0] for text in texts], language)

    def sign(self, asked, language) -> list[Signed | SignLLMError]:
        """See `SignLLM`."""
        rows = BATCH if len(asked) > 1 else 1
        producer = self._pose_stages[rows]
        lines = self._read(asked, language, rows)
        written = [
            self._written(producer, self._groups[language], prompt, line)
            for prompt, line in zip(asked, lines)
        ]
        glosses = [gloss for gloss in written if isinstance(gloss, str)]
        clips = iter(producer(self._pose_params, [glosses])[0])
        return [
            Signed(next(clips)[0], gloss) if isinstance(gloss, str) else gloss for gloss in written
        ]

    @staticmethod
    def _written(producer, group, prompt, line) -> str | TextError:
        """The LangGloss of a prompt as the pose stage reads it, or why there is none."""
        if not line:
            return TextError(f"nothing to sign was understood: {prompt[:60]!r}")
        gloss = " ".join(line)
        try:
            check_trained(group, len(producer.encode(gloss, 0)), prompt)
        except TextError as error:
            return error
        return gloss

    def resolve(self, text, language=None, prompt=None) -> tuple[str, str]:
        """See `SignLLM`; of a prompt whose text cannot be told apart the prompt itself."""
        asked, language = self.asked(text, language, prompt)
        if prompt is not None:
            text = parse_prompt(prompt, language)[0] or prompt
        self._translators[1].encode(asked, language)
        return text, language

    def warm_up(self) -> None:
        """See `SignLLM`."""
        for rows, producer in self._pose_stages.items():
            for prompt in ("a", "1"):  # with a word that can be spelled, and without one
                self._read([prompt] * rows, self.languages[0], rows)
            producer.warm_up(self._pose_params)

    def asked(self, text, language=None, prompt=None) -> tuple[str, str]:
        """See `SignLLM`; a text, and one that a prompt quotes, is put into one of the templates.

        Raises TextError also where such a text is to be spelled and cannot be.
        """
        if (text is None) == (prompt is None):
            raise TextError("give either a text or a prompt")
        if prompt is not None:
            if len(self._groups) == 1:
                language = self._language(language)
            asked, language, text = question(prompt, language)
        language = self._language(language)
        if prompt is None:
            asked = make_prompt(text, language, text)
        if text is not None:
            check_text(self._dataset, text, language)
        return asked, language

    def _clips(self, prompts, language) -> list[PoseClip]:
        results = self.sign(prompts, language)
        for result in results:
            if isinstance(result, SignLLMError):
                raise result
        return [result.clip for result in results]
