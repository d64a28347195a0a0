"""The manifests of launch/pods: as rendered, of the right form, for machines that there are."""

import dataclasses
import shlex
import subprocess
from pathlib import Path

import jsonschema_rs
import pytest
import yaml
from commands import run

from launch.pods import manifests
from signllm_jax.core import cli
from signllm_jax.core.errors import ConfigError

FOLDER = Path(__file__).resolve().parents[1] / "launch" / "pods"
RENDERED = ("jobset.yaml", "xpk.sh", "queued_resource.sh")
TEXT, COUNT = {"type": "string", "minLength": 1}, {"type": "integer", "minimum": 1}


def closed(required=(), **properties):
    """The schema of a mapping with just these keys."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required or properties),
        "additionalProperties": False,
    }


def each(schema):
    return {"type": "array", "items": schema, "minItems": 1}


EXIT_CODES = closed(containerName=TEXT, operator={"const": "In"}, values=each(COUNT))
CONTAINER = closed(
    ("name", "image", "command", "resources"),
    name=TEXT,
    image=TEXT,
    command=each(TEXT),
    resources=closed(limits={"type": "object", "properties": {"google.com/tpu": COUNT}}),
    volumeMounts=each(closed(name=TEXT, mountPath=TEXT, readOnly={"type": "boolean"})),
)
POD = closed(
    ("restartPolicy", "serviceAccountName", "nodeSelector", "containers"),
    restartPolicy={"const": "Never"},
    serviceAccountName=TEXT,
    terminationGracePeriodSeconds=COUNT,
    nodeSelector={"type": "object", "additionalProperties": TEXT},
    containers=each(CONTAINER),
    tolerations=each(closed(key=TEXT, operator={"const": "Exists"})),
    volumes=each(
        closed(
            name=TEXT,
            csi=closed(
                driver=TEXT,
                readOnly={"type": "boolean"},
                volumeAttributes={"type": "object", "additionalProperties": TEXT},
            ),
        )
    ),
)
JOB = closed(
    parallelism=COUNT,
    completions=COUNT,
    backoffLimit={"const": 0},
    podFailurePolicy=closed(
        rules=each(closed(action={"const": "FailJob"}, onExitCodes=EXIT_CODES))
    ),
    template=closed(("spec",), spec=POD, metadata=closed(annotations={"type": "object"})),
)
JOBSET = closed(
    apiVersion={"const": "jobset.x-k8s.io/v1alpha2"},
    kind={"const": "JobSet"},
    metadata=closed(name={"type": "string", "pattern": "^[a-z0-9-]+$"}, annotations={}),
    spec=closed(
        failurePolicy=closed(
            maxRestarts=COUNT,
            rules=each(
                closed(name=TEXT, action={"const": "FailJobSet"}, onJobFailureReasons=each(TEXT))
            ),
        ),
        replicatedJobs=each(closed(name=TEXT, replicas=COUNT, template=closed(spec=JOB))),
    ),
)


def pod(**changed):
    return dataclasses.replace(
        manifests.read_pod(yaml.safe_load((FOLDER / "pod.yaml").read_text())), **changed
    )


def test_the_manifests_are_what_the_command_writes(tmp_path):
    code, out, err = run(tmp_path, "pods/render", [f"--output={tmp_path}/made"])
    assert code == 0, err
    assert out.startswith("4 hosts of 4 chips, 1 slice(s)")
    for name in RENDERED:
        assert (tmp_path / "made" / name).read_text() == (FOLDER / name).read_text()


@pytest.mark.parametrize("changed", [{}, {"mount": "", "spot": False, "slices": 3}])
def test_a_jobset_has_the_form_that_kubernetes_asks_for(changed):
    made = yaml.safe_load(yaml.safe_dump(manifests.jobset(pod(**changed))))
    jsonschema_rs.validator_for(JOBSET).validate(made)
    broken = manifests.jobset(pod(slices=0))
    with pytest.raises(jsonschema_rs.ValidationError):
        jsonschema_rs.validator_for(JOBSET).validate(broken)


@pytest.mark.parametrize(
    ("topology", "hosts", "per_host", "accelerator", "label"),
    [
        ("v5e:2x2", 1, 4, "v5litepod-4", "tpu-v5-lite-podslice"),
        ("v5e:2x4", 1, 8, "v5litepod-8", "tpu-v5-lite-podslice"),
        ("v5e:16x16", 64, 4, "v5litepod-256", "tpu-v5-lite-podslice"),
        ("v5p:2x2x4", 4, 4, "v5p-32", "tpu-v5p-slice"),
        ("v6e:4x4", 4, 4, "v6e-16", "tpu-v6e-slice"),
        ("v4:2x2x2", 2, 4, "v4-16", "tpu-v4-podslice"),
    ],
)
def test_a_slice_has_as_many_hosts_as_its_chips_fill(topology, hosts, per_host, accelerator, label):
    made = pod(topology=topology)
    assert (made.hosts, made.chips_per_host, made.accelerator) == (hosts, per_host, accelerator)
    job = manifests.jobset(made)["spec"]["replicatedJobs"][0]["template"]["spec"]
    assert job["parallelism"] == job["completions"] == hosts
    spec = job["template"]["spec"]
    assert spec["nodeSelector"]["cloud.google.com/gke-tpu-accelerator"] == label
    assert spec["containers"][0]["resources"]["limits"]["google.com/tpu"] == per_host


@pytest.mark.parametrize("slices", [1, 2])
def test_the_scripts_are_shell_and_run_the_same_training(slices, tmp_path):
    made = pod(slices=slices)
    for text in (manifests.xpk(made), manifests.queued_resource(made)):
        (tmp_path / "script").write_text(text)
        subprocess.run(["sh", "-n", str(tmp_path / "script")], check=True)
        assert shlex.join(made.command) in text
    assert manifests.queued_resource(made).count("tpu-vm ssh") == slices


def test_the_training_of_the_manifest_is_one_that_there_is(tmp_path):
    """Its flags are read, and refused only for the bucket that is not there."""
    flags = [f for f in pod().command[2:] if "workdir" not in f]
    code, _, err = run(tmp_path, "train", [*flags, f"--workdir={tmp_path}/run"])
    assert code == cli.BAD_INPUT
    assert err.startswith("train.py: /data/signllm: no language of 'prompt2sign' is prepared there")


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"image": None}, "image: expected str"),
        ({"topology": "v9:4x4"}, "v9:4x4"),
        ({"topology": "v5p:4x4"}, "v5p has no 4x4"),
        ({"topology": "v5e:3x3"}, "no whole number of hosts"),
        ({"workdir": "runs/one"}, "not on a bucket"),
        ({"name": "My_Run"}, "My_Run"),
        ({"colour": "red"}, "unknown key 'colour'"),
        ({"train": "--config=x"}, "train: expected list"),
    ],
)
def test_a_wrong_description_is_refused_by_name(changed, named):
    values = yaml.safe_load((FOLDER / "pod.yaml").read_text()) | changed
    with pytest.raises(ConfigError, match=named):
        manifests.read_pod(values)
    del values["name"]
    with pytest.raises(ConfigError, match=r"name is missing|unknown"):
        manifests.read_pod(values)
