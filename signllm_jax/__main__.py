"""`python -m signllm_jax`: what commands there are, each with its first line."""

import ast
from pathlib import Path

import signllm_jax


def commands() -> dict[str, str]:
    """Name of every command in launch/ -> what it says of itself in its first line."""
    folder = Path(signllm_jax.__file__).resolve().parents[1] / "launch"
    said = {}
    for path in sorted(folder.glob("[!_]*.py")):
        if documented := ast.get_docstring(ast.parse(path.read_text("utf-8"))):
            said[path.stem] = documented.splitlines()[0]
    return said


def main() -> None:
    """Prints the version and the commands."""
    print(f"signllm_jax {signllm_jax.__version__}: text in, 3D sign language pose sequences out\n")
    found = commands()
    width = max(map(len, found), default=0)
    for name, line in found.items():
        print(f"  python -m launch.{name:<{width}}  {line}")
    print("\nEach takes --help. From Python: signllm_jax.SignLLM.load(workdir).produce(text)")


if __name__ == "__main__":
    main()
