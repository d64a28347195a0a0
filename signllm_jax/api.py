"""The Python interface: load a trained run and ask it for clips."""

import os
from collections.abc import Sequence

import jax

from signllm_jax.artifacts.export import PRETRAINED, check_export
from signllm_jax.artifacts.group import Group, load_group
from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.compile_cache import keep_programs
from signllm_jax.core.errors import CheckpointError, ConfigError, TextError
from signllm_jax.core.languages import get_language
from signllm_jax.core.storage import ask_for
from signllm_jax.core.tasks import get_info, resolve
from signllm_jax.inference.pipelines import Pipeline
from signllm_jax.inference.request import EITHER, Request, Signed, check_draw, choose_language
from signllm_jax.poses.clip import PoseClip
from signllm_jax.text.spelling import folded
from signllm_jax.text.visitors import understand


class SignLLM:
    """A trained model, ready to produce. Make one with `SignLLM.load`."""

    def __init__(self, pipeline: Pipeline):
        self._pipeline = pipeline

    @classmethod
    def load(cls, workdir: str | os.PathLike | None = None) -> "SignLLM":
        """Loads the best parameters of every language of a run, or of an export.

        Without a `workdir` this is the model of the package, which spells words in four languages
        (`PRETRAINED`). A `workdir` may be on a bucket (`gs://BUCKET/FOLDER`, extra `gcs`).

        Compiled programs are kept in `$SIGNLLM_CACHE_DIR` (by default
        `~/.cache/signllm_jax/compiled`; empty = not kept) unless JAX has a cache directory already.

        Raises:
            CheckpointError: there is no run, a group cannot be read, a file of an export differs
                from its digest, or a bucket does not answer.
            ConfigError: the model of the run makes no clips.
        """
        workdir = PRETRAINED if workdir is None else workdir
        ask_for(workdir, CheckpointError)
        run = Workdir(workdir)
        config, languages = run.read_config()
        check_export(run)
        keep_programs()
        info = get_info(config.task)
        if info.pipeline is None:
            raise ConfigError(
                f"{os.fspath(workdir)}: holds a model of {info.title}, which makes no clips"
            )
        names = info.groups((*run.read_kept(), *languages))
        groups = {name: load_group(run.group(name)) for name in names}
        for name, group in groups.items():
            reads = group.text_stage if info.shared else group.tokenizer
            if group.statistics is None or reads is None:
                raise CheckpointError(f"{run.group(name)}: is no group of {config.task}")
        return cls(resolve(info.pipeline)(groups))

    def __repr__(self) -> str:
        size = sum(leaf.size for leaf in jax.tree.leaves([g.params for g in self._distinct()]))
        data = ", ".join(dict.fromkeys(group.dataset for group in self._distinct()))
        return f"<SignLLM: {', '.join(self.languages)}; {size:,} parameters; trained on {data}>"

    def _distinct(self) -> list[Group]:
        """The groups; one that languages share is listed once."""
        return list({id(group): group for group in self._pipeline.groups.values()}.values())

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes of the languages that can be produced."""
        return tuple(self._pipeline.groups)

    def produce(
        self,
        text: str | None = None,
        language: str | None = None,
        seed: int = 0,
        *,
        prompt: str | None = None,
        temperature: float = 1.0,
    ) -> PoseClip:
        """Produces a clip of one text or prompt.

        Args:
            text: Text to be signed.
            language: Code of the sign language; optional if the run has only one language, or if
                the prompt names its language.
            seed: Number of the text's clip, for a model with `model.latent` or `model.flow`: the
                same seed gives the same clip up to rounding. Other models have one clip per text.
            prompt: Question for a text instead of the text itself, such as
                `How do you sign 'hello' in ASL?`.
            temperature: Variation of the clips, 1 = that of the data, 0 = none.

        Raises:
            ConfigError: the run does not have the language, or no language is given.
            TextError: the text is empty, cannot be spelled, or is longer or shorter than all texts
                that the model was trained on; there are both a text and a prompt, or neither; the
                prompt is not understood.
        """
        return self._clips([self.read(text, prompt, language, seed, temperature)])[0]

    def produce_samples(
        self,
        text: str | None = None,
        language: str | None = None,
        samples: int = 1,
        seed: int = 0,
        *,
        prompt: str | None = None,
        temperature: float = 1.0,
    ) -> list[PoseClip]:
        """Produces several clips of one text or prompt; the first is that of `produce`.

        Errors are those of `produce`, and a ConfigError if the model has one clip per text.
        """
        asked = self.read(text, prompt, language, seed, temperature)
        return self._clips(self.samples(asked, samples))

    def produce_many(
        self,
        texts: Sequence[str],
        language: str | None = None,
        seed: int = 0,
        *,
        temperature: float = 1.0,
    ) -> list[PoseClip]:
        """Produces the clips of several texts of one language, in the same order, by one signer.

        Errors are those of `produce`.
        """
        if isinstance(texts, str):
            raise TextError(f"give a list of texts, not the single text {texts!r:.40}")
        return self._clips([self.read(text, None, language, seed, temperature) for text in texts])

    def read(
        self,
        text: str | None = None,
        prompt: str | None = None,
        language: str | None = None,
        seed: int = 0,
        temperature: float = 1.0,
    ) -> Request:
        """Reads and checks a text or a prompt; nothing is produced. Errors as in `produce`."""
        if (text is None) == (prompt is None):
            raise TextError(EITHER)
        for given in (text, prompt):
            if not isinstance(given, (str, type(None))):
                raise TextError(f"a text is a str, not {type(given).__name__}: {given!r:.40}")
        draw = check_draw(seed, temperature)
        request = self._pipeline.read(text, prompt, language)
        return request._replace(draw=draw) if self.draws(request.language) else request

    def draws(self, language: str) -> bool:
        """Whether a text of the language has several clips, from which the seed chooses one."""
        return self.describe(language).model.varies

    def samples(self, request: Request, count: int) -> list[Request]:
        """Requests for `count` clips of a text; raises ConfigError if there are fewer."""
        if count < 1:
            raise ConfigError(f"samples: {count} is less than 1")
        if count > 1 and not self.draws(request.language):
            raise ConfigError(f"samples: the model of {request.language} has one clip a text")
        return [request._replace(draw=request.draw._replace(sample=k)) for k in range(count)]

    def read_typed(self, typed: str, language: str | None = None, seed: int = 0) -> Request:
        """Reads a visitor's input: a text, or a question such as `spell cat in ASL`.

        A language that the question names takes precedence over `language`. Accents that the
        alphabet does not have are removed and symbols are left out; `given_way` of the request
        lists both.

        Raises:
            ConfigError: the run does not have the language, or no language is given.
            TextError: the input cannot be signed; the error's `kind` says why.
        """
        meant = understand(typed)
        if meant.language is not None and meant.language not in self.languages:
            raise TextError(
                f"{get_language(meant.language).name} is asked for: this model has "
                f"{', '.join(self.languages)}",
                "language",
            )
        code = choose_language(self.languages, meant.language or language)
        tokenizer = self.describe(code).tokenizer
        if tokenizer is None or tokenizer.kind != "letters":
            given = (None, typed) if meant.asked else (typed, None)
            return self.read(*given, code, seed)
        text, gone = folded(meant.text, tokenizer)
        request = self.read(text, language=code, seed=seed)
        return request._replace(text=meant.text, given_way=gone)

    def gloss(self, request: Request) -> str | None:
        """The LangGloss of a request, `<asl:H> <asl:I>`; None if the model has no text stage.

        Raises TextError if the model understands nothing to sign.
        """
        (gloss,) = self._pipeline.gloss([request])
        if gloss == "":
            raise TextError(f"nothing to sign was understood: {request.model_input[:60]!r}")
        return gloss

    def sign(self, requests: Sequence[Request]) -> Sequence[Signed | TextError]:
        """The clips of requests; a request that fails has its error instead of a clip."""
        return self._pipeline.sign(requests)

    def warm_up(self) -> None:
        """Compiles for all languages, so that the first clip is as fast as the others."""
        self._pipeline.warm_up()

    def describe(self, language: str | None) -> Group:
        """The language's group: its data set, limits and training step."""
        return self._pipeline.groups[choose_language(self.languages, language)]

    def _clips(self, requests: Sequence[Request]) -> list[PoseClip]:
        clips = []
        for result in self.sign(requests):
            if isinstance(result, TextError):
                raise result
            clips.append(result.clip)
        return clips
