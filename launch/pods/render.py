"""Writes manifests: python launch/pods/render.py [--pod=launch/pods/pod.yaml] [--output=DIR]."""

import os
from pathlib import Path

from absl import flags

from signllm_jax.core import cli

HERE = os.path.dirname(os.path.abspath(__file__))
POD = flags.DEFINE_string("pod", os.path.join(HERE, "pod.yaml"), "description of the run")
OUTPUT = flags.DEFINE_string("output", None, "folder of the manifests, by default the pod file's")


def main() -> None:
    """Reads the description and writes jobset.yaml, xpk.sh and queued_resource.sh."""
    import yaml

    from launch.pods import manifests, scripts
    from signllm_jax.artifacts.group import write_file
    from signllm_jax.core.errors import ConfigError

    try:
        values = yaml.safe_load(Path(POD.value).read_text())
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"--pod={POD.value}: cannot be read: {error}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"--pod={POD.value}: holds no keys and values")
    pod = manifests.read_pod(values)
    folder = Path(OUTPUT.value or os.path.dirname(os.path.abspath(POD.value)))
    folder.mkdir(parents=True, exist_ok=True)
    manifest = yaml.safe_dump(manifests.jobset(pod), sort_keys=False, width=100)
    write_file(folder / "jobset.yaml", f"# written by launch/pods/render.py\n{manifest}".encode())
    write_file(folder / "xpk.sh", scripts.xpk(pod).encode())
    write_file(folder / "queued_resource.sh", scripts.queued_resource(pod).encode())
    print(f"{pod.hosts} hosts of {pod.chips_per_host} chips, {pod.slices} slice(s): {folder}")


if __name__ == "__main__":
    cli.run(main)
