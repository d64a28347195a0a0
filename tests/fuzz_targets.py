"""What the fuzz run damages: a file of each reader and schema, and what reads it.

Each target makes its file in a folder, and returns its path and a function that reads it.
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from signllm_jax.core.errors import PoseFormatError

MEGABYTES = 1024
"""What a process may hold."""


def clips():
    from test_clean import waving

    return waving(12)


def pose(folder: Path):
    from signllm_jax.poses.pose_file import read_pose_file, write_pose_file

    path = folder / "clip.pose"
    write_pose_file(path, clips())
    return path, lambda: read_pose_file(path)


def skels(folder: Path):
    from signllm_jax.poses.skels import read_skels, write_skels

    path = folder / "clip.skels"
    write_skels(path, [clips()])
    return path, lambda: list(read_skels(path, 25.0))


def openpose(folder: Path):
    from signllm_jax.poses.openpose import read_openpose, write_openpose

    write_openpose(folder / "clip.json", clips())
    people = json.loads((folder / "clip.json").read_text())
    (folder / "frames").mkdir()
    for number, frame in enumerate(people):
        (folder / "frames" / f"clip_{number:012d}_keypoints.json").write_text(json.dumps(frame))
    path = folder / "frames" / "clip_000000000001_keypoints.json"
    return path, lambda: read_openpose(folder / "frames", 25.0)


def openpose_zip(folder: Path):
    from signllm_jax.poses.files import read_clip
    from signllm_jax.render.save import save_clip

    path = save_clip(folder / "clip.zip", clips())
    return path, lambda: read_clip(path, 25.0)


def dwpose(folder: Path):
    from test_dwpose import made_clip

    from signllm_jax.poses.dwpose import read_dwpose, write_dwpose

    path = folder / "clip.npz"
    write_dwpose(path, made_clip())
    return path, lambda: read_dwpose(path, 25.0)


def pickles(folder: Path):
    import pickle

    from signllm_jax.poses.safe_pickle import read_pickle

    path = folder / "frame.pkl"
    path.write_bytes(pickle.dumps({"keypoints": np.ones((133, 3)), "frames": [1, 2.5]}))

    def read():
        try:
            return read_pickle(path.read_bytes(), MEGABYTES << 18)
        except Exception as error:  # its callers expect any
            raise PoseFormatError(str(error)) from None

    return path, read


def arrays(folder: Path):
    from signllm_jax.poses.arrays import write_arrays
    from signllm_jax.poses.files import read_clip

    path = folder / "clip.npz"
    write_arrays(path, clips())
    return path, lambda: read_clip(path, 25.0)


def manifest(folder: Path):
    from signllm_jax.corpora.manifest import read_manifest

    path = folder / "train.csv"
    path.write_text("id|text|gloss|signer|split\na/b|hello|HELLO|one|train\nc|ü|X|two|dev\n")
    return path, lambda: read_manifest(path)


def prompt(folder: Path):
    from signllm_jax.text.prompts import parse_prompt

    path = folder / "prompt.txt"
    path.write_text("How do you sign 'hello, Zürich' in American Sign Language?")
    return path, lambda: parse_prompt(path.read_bytes().decode("utf-8", "replace"), "asl")


def run_folder(folder: Path):
    from tiny_run import tiny_config, write_run

    from signllm_jax.data import splits

    splits.prepare("fingerspelling", "asl", folder / "data")
    return write_run(folder / "run", tiny_config(str(folder / "data"), ("asl",))).path


def config_json(folder: Path):
    from signllm_jax.artifacts.workdir import Workdir

    run = run_folder(folder)
    return run / "config.json", Workdir(run).read_config


def final_json(folder: Path):
    from signllm_jax.artifacts.run_files import read_final

    final = {"step": 6, "seconds": 1.5, "cpu_seconds": 2.0, "goodput": {"steps": 1.0}}
    final |= {"data": {"train": "ab"}, "params_sha256": "cd", "versions": {"jax": "1"}}
    (folder / "final.json").write_text(json.dumps(final))
    return folder / "final.json", lambda: read_final(folder)


def group_json(folder: Path):
    from signllm_jax.artifacts.group import load_group

    group = run_folder(folder) / "groups" / "asl"
    return group / "group.json", lambda: load_group(group)


def params(folder: Path):
    from signllm_jax.artifacts.group import load_group

    group = run_folder(folder) / "groups" / "asl"
    return group / "params-1.msgpack", lambda: load_group(group)


def model_json(folder: Path):
    from signllm_jax.artifacts.export import check_export, export_run
    from signllm_jax.artifacts.workdir import Workdir

    export_run(run_folder(folder), folder / "out")
    return folder / "out" / "model.json", lambda: check_export(Workdir(folder / "out"))


def source_json(folder: Path):
    from test_prepared_schema import LISTED, TOLD, read_all, write_part

    write_part(folder, LISTED)
    (folder / "source.json").write_text(json.dumps(TOLD))
    return folder / "source.json", lambda: read_all(folder)


def report_json(folder: Path):
    from test_prepared_schema import REPORT

    from signllm_jax.eval import results

    (folder / "report.json").write_text(json.dumps(REPORT))
    return folder / "report.json", lambda: results.summary(results.read_reports([str(folder)]))


READERS = (pose, skels, openpose, openpose_zip, dwpose, pickles, arrays, manifest, prompt)
SCHEMAS = (config_json, final_json, group_json, model_json, source_json, report_json)
TARGETS: dict[str, Callable] = {make.__name__: make for make in (*READERS, *SCHEMAS, params)}
