"""The model card of an export: what is in it, how good it is, what it cannot do, whose data it is.

`LIMITS` is also what docs/model_card.md says.
"""

from collections.abc import Mapping, Sequence

from signllm_jax.artifacts.group import Group
from signllm_jax.artifacts.report_file import read_report
from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core import markdown
from signllm_jax.core.errors import DataError
from signllm_jax.core.languages import get_language
from signllm_jax.core.storage import AnyPath
from signllm_jax.core.tasks import get_info
from signllm_jax.metrics import catalogue

USAGE = {
    "text-to-pose": """\
```python
from signllm_jax import SignLLM

model = SignLLM.load("THIS FOLDER")  # or gs://BUCKET/FOLDER
clip = model.produce("TEXT", "{code}")  # positions [T, J, 3] in shoulder widths
clip.save("clip.html")
```""",
    "pose-to-text": """\
It reads clips and makes none. It judges the clips of another run, and its own report says how
well it reads real ones:

```bash
python launch/evaluate.py --workdir=RUN --evaluators="THIS FOLDER"
python launch/evaluate.py --workdir="THIS FOLDER"
```""",
    "text-to-gloss": """\
It writes gloss and makes no clips. Its report says how well, and training goes on from it:

```bash
python launch/evaluate.py --workdir="THIS FOLDER" --data_dir=DIR
python launch/train.py --config=configs/text2gloss.py --config.init_from="THIS FOLDER"
```""",
}
"""Kind of model, as a tag of the card -> how it is used."""

METRICS = (
    *("clips", "dtw_mean_pose_ratio", "cer", "cer_real", "bleu4"),
    *("hand_travel_ratio", "duration_ratio", "collapse"),
)
"""The metrics of report.json that a card shows."""

LIMITS = """\
- It makes skeletons: shoulders, arms and hands in 3D. There is **no face**, no mouthing, no gaze
  and no torso lean, all of which carry grammar and meaning in sign languages. An avatar that is
  driven by it has none either.
- It has learned what its clips show, and nothing else. A model of **fingerspelling** spells letters
  of a manual alphabet; that is a small part of a sign language and **not signing**: it cannot
  translate, and spelling a sentence out is not how anybody signs it.
- The metrics compare clips with clips: DTW distances, and what a reader (a model that was trained
  on the same corpus) reads from them. None of them says whether a person understands. **Deaf
  signers of the language should judge what is produced** before anyone relies on it, and should
  have a say in what it is used for.
- Not for emergencies, medicine, law, or wherever a mistake harms: get an interpreter.
- It reproduces the signing style, region, age and gender of the few people who were recorded.
- Prompt templates in the eight spoken languages are the project's own; no native speaker has read
  them yet."""


def figures(
    run: Workdir, languages: Sequence[str], report: AnyPath | None = None
) -> dict[str, dict]:
    """Figures per language from a report, by default the run's own; {} if it is not readable."""
    try:
        rows = read_report(report or run.path / "report.json").get("languages", {})
    except DataError:
        return {}
    return {
        code: {name: rows[code][name] for name in METRICS if rows[code].get(name) is not None}
        for code in languages
        if code in rows
    }


def write(described: Mapping, groups: Mapping[str, Group]) -> str:
    """Writes the card in Markdown.

    Args:
        described: Content of the export's `model.json`.
        groups: Group name -> group.
    """
    from signllm_jax.corpora import published

    codes, reported = described["languages"], described["reports"]
    info = get_info(described["task"])
    makes = "text-to-pose" if info.makes_poses else "text-to-gloss"
    kind = "pose-to-text" if info.reads_poses else makes
    lines = [
        "---",
        "library_name: signllm_jax",
        f"tags: [sign-language, sign-language-production, pose, {kind}, jax]",
        f"language: [{', '.join(dict.fromkeys(get_language(code).iso for code in codes))}]",
        "---",
        f"# {info.title[0].upper()}{info.title[1:]}: {', '.join(codes)}",
        "",
        f"Made by signllm_jax {described['signllm_jax']} ({described['task']}, size "
        f"{described['size']}), an open implementation of SignLLM (arXiv 2405.10718)."
        + (f" The command: `{described['command']}`." if described.get("command") else ""),
        "",
        USAGE[kind].format(code=codes[0]),
        "",
        "## What is in it",
        "",
        markdown.table(
            ["group", "parameters", "data set", "step", "SHA-256 of the parameters"],
            (
                (
                    name,
                    f"{g['parameters']:,}",
                    g["dataset"],
                    f"{g['step']}",
                    f"`{g['params_sha256']}`",
                )
                for name, g in described["groups"].items()
            ),
            align="lrlrl",
        ),
        "",
    ]
    if described.get("stored") == "int8":
        lines += ["Parameters are stored as int8 with a scale per column, and read as float32.", ""]
    languages = []
    for code in codes:
        language, group = get_language(code), groups.get(code) or next(iter(groups.values()))
        terms = published.licences(code, _source(group.dataset, code))
        languages.append([code, language.name, language.spoken, terms])
    head = ["code", "sign language", "texts in", "data and terms"]
    lines += [markdown.table(head, languages, align="l"), "", "## How good it is", ""]
    if reported:
        rows = list(reported.items())
        if measured := described.get("measured"):
            rows = [(f"{code}, in float32", metrics) for code, metrics in rows]
            rows += [(f"{code}, as stored", metrics) for code, metrics in measured.items()]
            rows.sort(key=lambda row: row[0].partition(",")[0])
        lines += [
            catalogue.table("", METRICS, rows),
            "",
            "On the test split, from the run's `report.json`. DTW / mean pose: 0 is the real clip, "
            "1 no better than standing still; CER: of a reader that was trained on real clips.",
        ]
    if missing := [code for code in codes if code not in reported]:
        lines += ["", f"Not evaluated: {', '.join(missing)}."]
    # the first limit is that of clips
    limits = LIMITS if info.makes_poses else LIMITS[LIMITS.index("\n- ") + 1 :]
    lines += ["", "## What it cannot do", "", limits, ""]
    return "\n".join(lines)


def _source(dataset: str, code: str) -> str:
    """The corpus that a data set names, '' if it has all prepared corpora of a language."""
    config = dataset.partition("/")[2]
    if not config:
        return "" if dataset == "prompt2sign" else dataset
    return config.removeprefix(code).strip("_")
