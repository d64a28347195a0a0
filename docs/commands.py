"""Makes the site's page of every command from the source of its flags, whenever it is built.

A hook of mkdocs. What a page says is what `python launch/<name>.py --help` says: docstring, flags,
defaults.
"""

import ast
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from signllm_jax.core import markdown

ROOT = Path(__file__).resolve().parents[1]
SEE = {
    "ablation": "[Reinforcement learning](../reinforcement.md)",
    "benchmark": "[Speed](../speed.md), [metrics](../metrics.md), [takes](../takes.md)",
    "compile": "[TPUs and pods](../pods.md)",
    "evaluate": "[Evaluating](../evaluate.md), [back-translation](../back_translation.md)",
    "export": "[The model card](../model_card.md)",
    "extend": "[Prompt2LangGloss](../prompt2langgloss.md)",
    "extract": "[Your own corpus](../prepare.md)",
    "overlay": "[Your own corpus](../prepare.md)",
    "prepare": "[Your own corpus](../prepare.md), [sentences of signs](../compose.md), "
    "[the tutorial](../tutorial.md)",
    "produce": "[Clips and files](../formats.md), [prompts](../prompts.md)",
    "results": "[Evaluating](../evaluate.md)",
    "study": "[Sentences of real signs](../sentences.md)",
    "serve": "[Page and API](../serve.md)",
    "words": "[Words and signers](../words.md)",
    "train": "[The tutorial](../tutorial.md), [configuration](../configuration.md), "
    "[a new language](../new-language.md)",
}
"""Command -> where it is used."""
END = """\
Every command takes `--help` and `--debug`, shows a progress bar on long work, says in one line
what is wrong with its input, and then exits with 2 (1: a fault of the program, 3: another
host was lost or hung, 75: a training was stopped and goes on when started again, 130:
interrupted). Files appear when they are whole. From an installed package, in any folder:
`python -m launch.train` and so on; its configs, `configs/mlsf.py` and the others, are found
there too."""


def flags(tree: ast.Module) -> list[tuple[str, str, str, str]]:
    """(name, kind, default, help) of every flag that a module defines."""
    found = []
    named = {
        place.targets[0].id: place.value
        for place in tree.body
        if isinstance(place, ast.Assign) and isinstance(place.targets[0], ast.Name)
    }
    for call in ast.walk(tree):
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)):
            continue
        kind = call.func.attr.removeprefix("DEFINE_")
        if kind == call.func.attr:
            continue
        name, *rest = (
            named.get(arg.id, arg) if isinstance(arg, ast.Name) else arg for arg in call.args
        )
        default, *rest = rest
        if kind.endswith("enum"):
            kind = " | ".join(value for value in ast.literal_eval(rest.pop(0)) if value)
        said = ast.literal_eval(rest[0])
        found.append((name.value, kind.replace("_", " "), ast.unparse(default), said))
    return found


def prose(tree: ast.Module) -> list[str]:
    """The lines of a module's docstring; brackets outside of code are no links."""
    lines = ast.get_docstring(tree).splitlines()
    return [line if line.startswith("    ") else line.replace("[", "\\[") for line in lines]


def page(path: Path) -> str:
    """The page of one file of launch/."""
    name = path.stem
    tree = ast.parse(path.read_text("utf-8"))
    lines = [f"# launch/{name}.py", "", *prose(tree), ""]
    lines += table(flags(tree))
    if name == "benchmark":
        for part in sorted((ROOT / "launch" / "benchmarks").glob("[!_]*.py")):
            tree = ast.parse(part.read_text("utf-8"))
            if any(isinstance(x, ast.FunctionDef) and x.name == "rows" for x in tree.body):
                lines += [f"## {part.stem}", "", *prose(tree), "", *table(flags(tree))]
    lines += [
        "`--debug` shows tracebacks and the libraries' messages. From an installed package: "
        f"`python -m launch.{name}`.",
        "",
        *([f"See also: {SEE[name]}."] if name in SEE else []),
    ]
    return "\n".join(lines).rstrip() + "\n"


def table(listed: list[tuple[str, str, str, str]]) -> list[str]:
    """Lines of Markdown."""
    if not listed:
        return []
    rows = (
        [f"`--{name}`", *map(markdown.escape, (kind, f"`{default}`", said))]
        for name, kind, default, said in listed
    )
    return [markdown.table(["flag", "kind", "default", ""], rows, align="l"), ""]


def pages() -> dict[str, str]:
    """Name of every page -> its text, the list of all among them."""
    made = {path.stem: page(path) for path in sorted((ROOT / "launch").glob("[!_]*.py"))}
    rows = []
    for name in made:
        tree = ast.parse((ROOT / "launch" / f"{name}.py").read_text("utf-8"))
        rows.append([f"[{name}]({name}.md)", prose(tree)[0]])
    lines = ["# Commands", "", markdown.table(["command", ""], rows, align="l"), "", END]
    return made | {"index": "\n".join(lines) + "\n"}


def on_files(files, config):
    """Called by mkdocs with what it found in docs/: adds the pages."""
    from mkdocs.structure.files import File

    for name, text in pages().items():
        files.append(File.generated(config, f"commands/{name}.md", content=text))
    return files
