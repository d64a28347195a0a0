"""The model card of an export: what is in it, how good it is, what it cannot do, whose data it is.

`LIMITS` is also what docs/model_card.md says.
"""

from collections.abc import Mapping, Sequence

from signllm_jax.artifacts.group import Group
from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.errors import DataError
from signllm_jax.core.languages import get_language
from signllm_jax.eval.report_file import read_report

METRICS = {
    "clips": ("clips", "{}"),
    "dtw_mean_pose_ratio": ("DTW / mean pose", "{:.3f}"),
    "cer": ("CER", "{:.1%}"),
    "cer_real": ("CER, real clips", "{:.1%}"),
    "bleu4": ("BLEU-4", "{:.2f}"),
    "hand_travel_ratio": ("hand travel", "{:.3f}"),
    "duration_ratio": ("duration", "{:.3f}"),
    "collapse": ("collapsed", "{}"),
}
"""Name in report.json -> head of its column, and how it is written."""

LIMITS = """\
- It makes skeletons: shoulders, arms and hands in 3D. There is **no face**, no mouthing, no gaze
  and no torso lean, all of which carry grammar and meaning in sign languages. An avatar that is
  driven by it has none either.
- What it has learnt is what its clips show. A model of **fingerspelling** spells letters of a
  manual alphabet; that is a small part of a sign language and **not signing**: it cannot
  translate, and spelling a sentence out is not how anybody signs it.
- Measures compare clips with clips: DTW distances, and what a reader that was trained on the same
  corpus reads from them. None of them says whether a person understands. **Deaf signers of the
  language should judge what is produced** before anyone relies on it, and should have a say in
  what it is used for.
- Not for emergencies, medicine, law, or wherever a mistake harms: get an interpreter.
- The signing style, region, age and gender of the few people recorded is what comes out.
- Prompt templates in the eight spoken languages are the project's own; no native speaker has read
  them yet."""


def figures(run: Workdir, languages: Sequence[str]) -> dict[str, dict]:
    """What `report.json` of a run says of its languages, {} where there is no readable one."""
    try:
        found = read_report(run.path / "report.json").get("languages", {})
    except DataError:
        return {}
    return {
        code: {name: found[code][name] for name in METRICS if found[code].get(name) is not None}
        for code in languages
        if code in found
    }


def write(described: Mapping, groups: Mapping[str, Group]) -> str:
    """The card in Markdown.

    Args:
        described: `model.json` of the export.
        groups: name -> group.
    """
    from signllm_jax.corpora import published

    codes = described["languages"]
    reported = described["reports"]
    lines = [
        "---",
        "library_name: signllm_jax",
        "tags: [sign-language, sign-language-production, pose, text-to-pose, jax]",
        f"language: [{', '.join(dict.fromkeys(get_language(code).iso for code in codes))}]",
        "---",
        f"# Text to sign language poses: {', '.join(codes)}",
        "",
        f"Made by signllm_jax {described['signllm_jax']} ({described['task']}, size "
        f"{described['size']}), an open implementation of SignLLM (arXiv 2405.10718).",
        "",
        "```python",
        "from signllm_jax import SignLLM",
        "",
        'model = SignLLM.load("THIS FOLDER")  # or gs://BUCKET/FOLDER',
        f'clip = model.produce("TEXT", "{codes[0]}")  # positions [T, J, 3] in shoulder widths',
        'clip.save("clip.html")',
        "```",
        "",
        "## What is in it",
        "",
        "| group | parameters | data set | step | SHA-256 of the parameters |",
        "|---|---:|---|---:|---|",
        *(
            f"| {name} | {told['parameters']:,} | {told['dataset']} | {told['step']} | "
            f"`{told['params_sha256']}` |"
            for name, told in described["groups"].items()
        ),
        "",
        "| code | sign language | texts in | data and terms |",
        "|---|---|---|---|",
    ]
    for code in codes:
        language, group = get_language(code), groups.get(code) or next(iter(groups.values()))
        terms = published.licences(code, _source(group.dataset, code))
        lines.append(f"| {code} | {language.name} | {language.spoken} | {terms} |")
    lines += ["", "## How good it is", ""]
    if reported:
        shown = [name for name in METRICS if any(name in told for told in reported.values())]
        lines += [
            "| | " + " | ".join(METRICS[name][0] for name in shown) + " |",
            "|---" * (len(shown) + 1) + "|",
        ]
        for code, told in reported.items():
            cells = [METRICS[n][1].format(told[n]) if n in told else "–" for n in shown]
            lines.append(f"| {code} | " + " | ".join(cells) + " |")
        lines += [
            "",
            "On the test split, from the run's `report.json`. DTW / mean pose: 0 is the real clip, "
            "1 no better than standing still; CER: of a reader that was trained on real clips.",
        ]
    missing = [code for code in codes if code not in reported]
    if missing:
        lines += ["", f"Not evaluated: {', '.join(missing)}."]
    lines += ["", "## What it cannot do", "", LIMITS, ""]
    return "\n".join(lines)


def _source(dataset: str, code: str) -> str:
    """The corpus that a data set names, '' where it has all prepared ones of a language."""
    config = dataset.partition("/")[2]
    if not config:
        return "" if dataset == "prompt2sign" else dataset
    return config.removeprefix(code).strip("_")
