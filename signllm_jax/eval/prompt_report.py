"""The report of Prompt2LangGloss: the report of clips, for both stages apart and together.

The text stage is asked for every text of the split in all spoken languages, with templates that no
model is trained on. In the `test` of fingerspelling the texts are words of no split, so nothing was
chosen on them either. The text stage is asked twice: as `produce` asks it, with the sign language
that `parse_prompt` finds by rules that do not know those templates, and unaided, where the language
is given only if the prompt does not name it. Clips are produced from the LangGloss that the text
stage writes for prompts in each sign language's own spoken language, and from the true LangGloss.
"""

import functools
import itertools
from collections import defaultdict
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from signllm_jax.artifacts.group import load_group
from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.tasks import SHARED
from signllm_jax.core.typing import Tree
from signllm_jax.corpora import fingerspelling
from signllm_jax.corpora.published import is_spelled
from signllm_jax.data import splits
from signllm_jax.eval import baselines, pose_report
from signllm_jax.eval.eval_set import EvalSet, Language, skip_empty
from signllm_jax.eval.figures import line_metrics
from signllm_jax.eval.prompt_dev import (
    ask_model,
    open_asked,
    open_language,
    own_spoken,
    prompts_for,
    sign_glosses,
    true_line,
)
from signllm_jax.eval.report import TEXT_STAGE, UNAIDED
from signllm_jax.inference.prompt_to_pose import PromptToPose
from signllm_jax.metrics.gloss_metrics import TOKENIZE
from signllm_jax.metrics.text_metrics import signatures
from signllm_jax.models.prompt2langgloss import pose_params
from signllm_jax.parallel import sharding
from signllm_jax.text.prompts import SPOKEN
from signllm_jax.text.stage import LineTokenizer
from signllm_jax.text.tokenizer import train_tokenizer

WRONG = 20
"""Greatest number of misunderstood prompts that a report lists per sign language."""


def open_prompts(workdir: Workdir, split: str, data_dir: str | None = None) -> EvalSet:
    """Loads the group of a run, and the texts and clips of a split.

    Templates are those of `test` with texts of test, and those of `dev` with all others.

    Raises:
        CheckpointError: There is no run, or it has no parameters yet.
        DataError: No language has a clip that can be scored.
    """
    config, codes = workdir.read_config()
    group = load_group(workdir.group(SHARED))
    folder = data_dir or config.data.data_dir or None
    spelled = is_spelled(config.data.dataset)

    def open_all(name):
        return {code: splits.open_split(config.data.dataset, code, name, folder) for code in codes}

    train = open_all("train")
    if spelled and split == "test":
        asked = {code: _prompt_words(train[code], config.data.layout) for code in codes}
    else:
        asked = open_asked(open_all(split), train, config.data.layout)
    for code, language in asked.items() if spelled else ():
        texts, letters = language.train.texts, list(itertools.chain(*language.train.units))
        language.tokenizer = train_tokenizer(texts, letters, "letters", group.model.vocab, code)
    produce = functools.partial(_produce, templates="test" if split == "test" else "dev")
    evaluated = EvalSet(config, asked, {}, {SHARED: group}, spelled, produce, alike=True)
    skip_empty(evaluated, workdir, split)
    return evaluated


evaluate = functools.partial(pose_report.evaluate, opened=open_prompts)


def _prompt_words(train: splits.Source, layout: str) -> Language:
    """Words that are in no split, and their clips from the recorded letters."""
    language, code = open_language(train, layout), train.language
    words = list(fingerspelling.prompt_words(code))
    language.texts, language.corpus_texts = words, list(words)
    language.names = [f"{code}_fingerspelling_{word}" for word in words]
    language.glosses = [" ".join(fingerspelling.spell(word, code)) for word in words]
    language.references = [fingerspelling.spelled_clip(word, code) for word in words]
    return language


def _produce(evaluated: EvalSet, templates: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Asks the model for all texts and fills the rows that it makes.

    Returns:
        The rows of the text stage, and further facts of the report.
    """
    (group,) = evaluated.groups.values()
    mesh = sharding.make_mesh({}, jax.local_devices()[:1])
    model = PromptToPose(group, mesh, evaluated.config.eval.batch_size)
    params = jax.device_put(jax.tree.map(lambda leaf: leaf[None], group.params))
    exact, wrong = defaultdict(list), defaultdict(list)
    lines, unaided, glosses, true = defaultdict(list), defaultdict(list), {}, {}
    for code, language in evaluated.languages.items():
        count = len(language.texts)
        true[code] = [true_line(language, code, index) for index in range(count)]
        glosses[code] = [line.split() for line in language.glosses] * len(SPOKEN)
        for spoken in SPOKEN:
            texts = language.corpus_texts
            prompts, callers = prompts_for(texts, code, [spoken] * count, templates)
            unaided[code] += model.unaided(params, prompts, callers)
            written = ask_model(model, group, params, prompts, callers, templates)
            lines[code] += [line.split() for line in written]
            exact[spoken] += [line == right for line, right in zip(written, true[code])]
            triples = map(list, zip(prompts, written, true[code]))
            wrong[code] += [triple for triple in triples if triple[1] != triple[2]]
            if spoken == own_spoken(code):
                language.set_produced(sign_glosses(model, params, written, language))
        signed = sign_glosses(model, params, true[code], language)
        language.rows["true_langgloss"] = [clip for clip, _ in signed]
    _follow(evaluated, params, [line for true_lines in true.values() for line in true_lines], mesh)
    rows = {
        TEXT_STAGE: line_metrics(lines, glosses, seed=0, count="prompts"),
        UNAIDED: line_metrics(unaided, glosses, seed=0),
    }
    return rows, {
        "spoken": {spoken: float(np.mean(right)) for spoken, right in exact.items()},
        "misunderstood": {code: triples[:WRONG] for code, triples in wrong.items()},
        "signatures": {"glosses": signatures(TOKENIZE)},
    }


def _follow(evaluated: EvalSet, params: Tree, true: list[str], mesh: Mesh) -> None:
    """Fills the row `teacher_forced` from the true lines of all languages in order.

    The clip of a line that is too long is None.
    """
    (group,) = evaluated.groups.values()
    ids = [LineTokenizer(group.needed_text_stage).encode(line) for line in true]
    references = [clip for language in evaluated.languages.values() for clip in language.references]
    fitting = [i for i, tokens in enumerate(ids) if len(tokens) <= group.row_tokens]
    (followed,) = baselines.teacher_forced(
        group.model,
        pose_params(params),
        [[ids[i] for i in fitting]],
        [[references[i] for i in fitting]],
        [group.needed_statistics],
        mesh,
        evaluated.config.eval.batch_size,
        group.needed_text_stage.config.languages,
    )
    predicted = dict(zip(fitting, followed))
    clips = iter([predicted.get(i) for i in range(len(ids))])
    for language in evaluated.languages.values():
        language.rows["teacher_forced"] = list(itertools.islice(clips, len(language.texts)))
