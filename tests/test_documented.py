"""Every command that README.md and docs/ show has these flags, and works."""

import itertools
import shutil
from pathlib import Path

import pytest
from documented import PAGES, ROOT, Checkout, blocks, check_flags, shown
from installed import hidden, programs
from tiny_run import tiny_config, write_run

NOT_RUN = {  # a line of a block -> where or why not
    "make test": "is what runs this",
    "make install": "tests/test_release.py installs the wheel",
    "bin/activate": "is of the environment that make install sets up",
    "words.txt": "reads a user's list: tests/test_pretrained.py",
    "make demo": "trains for minutes: its very commands are those of the README, which are run",
    "make speed": "measures for twenty minutes: tests/test_benchmarks.py",
    "make scale": "lists two million clips: tests/test_plan.py",
    "launch/serve.py": "serves until it is ended: tests/test_serving.py and test_browser.py",
    "make gpu-check": "needs a GPU",
    "runs/gpu": "needs a GPU",
    "make words": "trains for minutes: tests/test_words.py",
    "launch/study.py": "takes minutes: tests/test_referees.py, tests/test_variety_study.py",
    "launch/words.py": "trains for minutes: tests/test_words.py",
    "make seeds": "trains three demos",
    "curl ": "needs a server: tests/test_serving.py runs these lines",
    "pip install": "tests/test_release.py installs the wheel",
    "launch/extract.py": "needs MediaPipe in an environment of its own: tests/test_extract.py",
    "launch/overlay.py": "needs a video: tests/test_overlay.py",
    "launch/compile.py": "needs the TPU compiler and minutes: tests/test_slices.py",
    ".venv-tfds/bin/tfds": "needs TensorFlow: tests/test_tfds.py",
    "produce.py --workdir=runs/prompted": "two steps teach no spelling: tests/test_prompted.py",
    "runs/takes": "trains three readers for minutes",
    "--compose=": "needs takes of signs: tests/test_compose.py",
    "prompt2sign/asl_cafe": "see above",
    "study.py sentences": "needs the corpora and trains for minutes: tests/test_sentences.py",
    "FLAGS": "its flags are what the line before prints: tests/test_extend.py",
    "=How2Sign/": "needs the corpora: tests/test_downloads.py makes folders like theirs",
    "$HOW2SIGN": "see above",
    "how2sign": "see above",
    "--predictions=DIR": "needs another system's clips: tests/test_predictions.py",
    "$PHOENIX": "see above",
    "AUTSL/": "see above",
    "DGS/": "see above",
    "$P --check": "see above",
    "--peer=spoken-to-signed": "needs an environment of its own: tests/test_peers.py",
    "--coordinator": "two processes at once: tests/test_hosts.py",
    "gs://": "needs a bucket: tests/test_buckets.py has a stand-in",
    "docker": "needs docker",
    "render.py": "tests/test_pods.py",
    "kubectl": "needs a cluster",
    "gcloud": "needs a cluster",
    "xpk ": "needs a cluster: tests/test_pods.py asks xpk with --dry-run",
}
STORIES = ("tutorial.md", "new-language.md")  # the second goes on from the first
NEEDS_SHARED = ("metrics.md", "takes.md", "eight_languages.md", "text_to_gloss.md")
COMMANDS = [(page.name, *command) for page in PAGES for command in shown(page)]


@pytest.mark.parametrize("page, name, args", COMMANDS, ids=itertools.count())
def test_a_command_that_is_shown_has_these_flags(page, name, args):
    check_flags(name, list(args))


def test_every_page_is_in_the_table_of_contents():
    contents = (ROOT / "mkdocs.yml").read_text("utf-8")
    for page in PAGES[1:]:
        assert f" {page.name}\n" in contents, page.name


def runnable(page: Path) -> list[str]:
    """The blocks of a page without the lines that are not run here."""
    kept = []
    for block in blocks(page):
        lines = block.replace("\\\n", " ").splitlines()
        lines = [line for line in lines if not any(word in line for word in NOT_RUN)]
        kept.append("\n".join(lines).strip())
    return [block for block in kept if block]


def thin(source: Path, target: Path) -> None:
    """Copies tables with every eighth of their rows: commands are tried here, not models."""
    for path in source.rglob("*.csv"):
        head, *rows = path.read_text("utf-8").splitlines(keepends=True)
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(head + "".join(rows[::8]), "utf-8")


@pytest.fixture(scope="module")
def checkout(data_dir, tmp_path_factory):
    """A folder with a trained run and a corpus where the pages have placeholders."""
    from importlib.resources import files

    folder = tmp_path_factory.mktemp("documented")
    made = Checkout(folder / "checkout", folder / "data")
    shutil.copytree(data_dir, folder / "data")
    small = {"model.width": 16, "model.heads": 2, "model.mlp": 16}
    write_run(made.folder / "runs" / "mlsf", tiny_config(str(folder / "data"), ("asl",), **small))
    clips = files("spoken_to_signed.assets") / "fingerspelling_lexicon" / "gsg"
    chosen = sorted(path.name for path in clips.iterdir())[:3]
    (made.folder / "DIR").mkdir()
    for name in chosen:
        shutil.copy(clips / name, made.folder / "DIR")
    lines = [f"{name},text {number},train" for number, name in enumerate(chosen)]
    (made.folder / "clips.csv").write_text("\n".join(["id,text,split", *lines, ""]))
    shared = folder / "shared" / "data"
    if shared.exists():
        thin(shared / "text", made.folder / "FOLDER")
        for path in (*(shared / "phoenix").iterdir(), *(shared / "signs").iterdir()):
            (made.folder / "DIR" / path.name).symlink_to(path)
    yield made
    made.close()


def test_pages_have_what_make_install_brings_and_nothing_else(tmp_path):
    made = Checkout(tmp_path / "checkout", tmp_path / "data")
    try:
        made.run("python -c 'import fastapi, jiwer, pygltflib'")
        for block, said in (
            ("python -c 'import pytest'", "No module named 'pytest'"),
            ("pytest --version", "pytest: command not found"),
        ):
            with pytest.raises(AssertionError, match=said):
                made.run(block)
    finally:
        made.close()
    assert {"pytest", "hypothesis"} <= hidden() and not {"jax", "PIL", "signllm_jax"} & hidden()
    assert "tfds" in programs() and not {"pytest", "ruff"} & programs()


@pytest.mark.slow
@pytest.mark.parametrize("page", [p.name for p in PAGES if runnable(p) and p.name not in STORIES])
def test_the_blocks_of_a_page_work(checkout, page, request):
    if page in NEEDS_SHARED:
        request.getfixturevalue("shared_data")
    for run in (checkout.folder / "runs").iterdir():
        if run.name != "mlsf":  # another page's run may be of other languages
            shutil.rmtree(run)
    (path,) = (path for path in PAGES if path.name == page)
    checkout.run("\n".join(runnable(path)))


@pytest.mark.slow
def test_the_tutorial_and_the_new_language_after_it_are_true_from_the_beginning(tmp_path):
    made = Checkout(tmp_path / "checkout", tmp_path / "data")
    try:
        made.run("\n".join(block for page in STORIES for block in runnable(ROOT / "docs" / page)))
    finally:
        made.close()
    assert len(made.ran) > 12
    assert (made.folder / "lse.npz").stat().st_size > 1000
