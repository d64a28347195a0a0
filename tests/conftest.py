"""What several test files share."""

import os
from pathlib import Path

import jax
import pytest
from jaxtyping import install_import_hook

# Shapes and types in signatures are checked in every call. The hook has to be installed before
# these packages are imported.
CHECKED = [f"signllm_jax.{room}" for room in ("models", "rl", "metrics", "inference")]
install_import_hook(CHECKED, "typecheck.check")

import commands  # noqa: E402
import tiny  # noqa: E402

from signllm_jax.corpora import fingerspelling  # noqa: E402
from signllm_jax.data import splits  # noqa: E402
from signllm_jax.parallel import sharding  # noqa: E402

pytest_plugins = ["prompted"]

os.environ["XLA_FLAGS"] = " ".join(
    (
        os.environ.get("XLA_FLAGS", ""),
        # fake devices that share a busy machine's cores may wait long for each other: no fault
        "--xla_cpu_collective_call_warn_stuck_timeout_seconds=300",
        "--xla_cpu_collective_call_terminate_timeout_seconds=600",
        # halves compilations with few optimizations once more; later versions do not know it
        "--xla_cpu_use_fusion_emitters=false" if jax.__version_info__ < (0, 11) else "",
    )
)
os.environ.setdefault("SIGNLLM_CACHE_DIR", "")  # tests keep no compiled programs in the home
# What tests run is small: compiling it takes longer than running it, and less than half of that
# with few optimizations.
jax.config.update("jax_disable_most_optimizations", True)
# eight fake devices for the tests of meshes; it must be said before jax is first used
jax.config.update("jax_num_cpu_devices", 8)

# the files that take longest begin first, so that no worker ends with one while others idle
LONGEST = ("kills", "step", "damage", "loop", "independence", "report", "decoding", "text2pose")


def pytest_collection_modifyitems(items):
    place = {f"test_{name}": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.module.__name__, len(place)))


@pytest.fixture(scope="session", autouse=True)
def programs(tmp_path_factory):
    """Lets the commands that tests run share what they compile, those of other workers too."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    commands.PROGRAMS = folder / "programs"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real corpora beside the project, which are not part of it."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the corpora of ../shared/data are not on this machine")
    return folder


@pytest.fixture(scope="module")
def mesh():
    """A mesh of one device, in use."""
    with sharding.use_mesh(tiny.one_device()) as mesh:
        yield mesh


@pytest.fixture(scope="module")
def batch():
    """Two packed rows of one language, [B, ...]."""
    return jax.tree.map(lambda field: field[0], tiny.packed_batch(("asl",), rows=2))


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory) -> str:
    """A folder where the fingerspelling of all languages lies prepared."""
    folder = tmp_path_factory.mktemp("fingerspelling")
    for language in fingerspelling.LANGUAGES:
        splits.prepare("fingerspelling", language, folder)
    return str(folder)
