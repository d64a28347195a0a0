"""`python -m signllm_jax`: lists the commands, each with the first line of its docstring."""

import ast
from pathlib import Path

import signllm_jax


def commands() -> dict[str, str]:
    """Name of every command in launch/ -> first line of its docstring."""
    folder = Path(signllm_jax.__file__).resolve().parents[1] / "launch"
    trees = {path.stem: ast.parse(path.read_text("utf-8")) for path in folder.glob("[!_]*.py")}
    docs = {name: ast.get_docstring(trees[name]) for name in sorted(trees)}
    return {name: doc.splitlines()[0] for name, doc in docs.items() if doc}


def main() -> None:
    """Prints the version and the commands."""
    print(f"signllm_jax {signllm_jax.__version__}: text in, 3D sign language pose sequences out\n")
    lines = commands()
    width = max(map(len, lines), default=0)
    for name, line in lines.items():
        print(f"  python -m launch.{name:<{width}}  {line}")
    print("\nEach takes --help. From Python: signllm_jax.SignLLM.load(workdir).produce(text)")


if __name__ == "__main__":
    main()
