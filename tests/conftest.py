"""What several test files share."""

import os
from pathlib import Path

import jax
import pytest

from signllm_jax.data import fingerspelling, source

# fake devices that share a busy machine's cores may wait long for each other: no fault
os.environ["XLA_FLAGS"] = " ".join(
    (
        os.environ.get("XLA_FLAGS", ""),
        "--xla_cpu_collective_call_warn_stuck_timeout_seconds=300",
        "--xla_cpu_collective_call_terminate_timeout_seconds=600",
    )
)
os.environ.setdefault("SIGNLLM_CACHE_DIR", "")  # tests keep no compiled programs in the home
# eight fake devices for the tests of meshes; it must be said before jax is first used
jax.config.update("jax_num_cpu_devices", 8)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real corpora beside the project, which are not part of it."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the corpora of ../shared/data are not on this machine")
    return folder


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory) -> str:
    """A folder where the fingerspelling of all languages lies prepared."""
    folder = tmp_path_factory.mktemp("fingerspelling")
    for language in fingerspelling.LANGUAGES:
        source.prepare("fingerspelling", language, folder)
    return str(folder)


@pytest.fixture(scope="module")
def cheap_compiles():
    """Compiles with few optimisations: in half the time, where nothing is run for long."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)
