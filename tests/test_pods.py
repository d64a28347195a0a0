"""The manifests of launch/pods: as rendered, of the right form, for machines that there are."""

import contextlib
import dataclasses
import os
import shlex
import shutil
import signal
import subprocess
import time
from pathlib import Path

import jsonschema_rs
import pytest
import yaml
from commands import run

from launch.pods import manifests, scripts
from signllm_jax.core import cli
from signllm_jax.core.errors import ConfigError
from signllm_jax.parallel.heartbeat import LOST_HOST

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "launch" / "pods"
RENDERED = ("jobset.yaml", "xpk.sh", "queued_resource.sh")
SHELL = shutil.which("dash") or "sh"
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
        ("tpu7x:2x2x1", 1, 4, "tpu7x-8", "tpu7x"),
        ("tpu7x:2x2x2", 2, 4, "tpu7x-16", "tpu7x"),
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


@contextlib.contextmanager
def heeding_signals():
    """A shell cannot trap signals that it was started to ignore, as in the background."""
    numbers = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, signal.SIG_DFL) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before):
            signal.signal(number, handler)


class Cloud:
    """Stand-ins for `gcloud` and `sleep`: states are given one at each question, the last stays."""

    def __init__(self, folder: Path, states, codes=(0,), slow=False):
        self.folder, self.calls = folder, folder / "calls"
        self.calls.touch()
        for name, lines in (("states", states), ("codes", map(str, codes))):
            (folder / name).write_text("".join(f"{line}\n" for line in lines))
        take = (
            f"take() {{ head -n 1 {folder}/$1; if [ $(wc -l < {folder}/$1) -gt 1 ]; "
            f"then sed -i 1d {folder}/$1; fi; }}"
        )
        training = "exec /bin/sleep 60" if slow else "exit $(take codes)"
        (folder / "gcloud").write_text(
            f'#!/bin/sh\n{take}\necho "$*" >> {folder}/calls\ncase "$*" in\n'
            f"*describe*) take states ;;\n*ssh*) {training} ;;\nesac\n"
        )
        (folder / "sleep").write_text("#!/bin/sh\nexec /bin/sleep 0.02\n")
        for name in ("gcloud", "sleep"):
            (folder / name).chmod(0o755)

    def start(self, made):
        (self.folder / "script").write_text(scripts.queued_resource(made))
        env = os.environ | {"PATH": f"{self.folder}:{os.environ['PATH']}"}
        with heeding_signals():
            return subprocess.Popen(
                [SHELL, str(self.folder / "script")], env=env, stderr=subprocess.DEVNULL
            )

    def count(self, word):
        return sum(f" {word} " in line for line in self.calls.read_text().splitlines())

    def wait_for(self, word):
        while not self.count(word):
            time.sleep(0.01)


@pytest.mark.parametrize(
    ("states", "codes", "code", "asked"),
    [
        (["WAITING_FOR_RESOURCES", "PROVISIONING", "ACTIVE"], [0], 0, 1),
        (["FAILED"], [0], 1, 3),  # never there: restarts are used up
        (["ACCEPTED", "SUSPENDED", "SUSPENDED", "ACTIVE"], [0], 0, 2),
        (["STATE_UNSPECIFIED", "CREATING", "ACTIVE"], [0], 0, 1),
        (["SUSPENDING", "ACTIVE"], [0], 0, 2),
        (["DELETING", "ACTIVE"], [0], 0, 2),
        ([""] * 20 + ["ACTIVE"], [0], 0, 2),  # no answer for ten minutes
        (["ACTIVE"], [2], 2, 1),  # bad input is not tried again
        (["ACTIVE"], [1, 3, 75], 1, 3),
        (["ACTIVE"], [75, 0], 0, 2),  # stopped, started again, done
    ],
)
def test_a_queued_resource_is_asked_for_until_the_run_ends(tmp_path, states, codes, code, asked):
    cloud = Cloud(tmp_path, states, codes)
    assert cloud.start(pod(restarts=2)).wait() == code
    assert cloud.count("create") == cloud.count("delete") == asked


@pytest.mark.parametrize("signal_sent", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("states", [["PROVISIONING"], ["ACTIVE"]], ids=["waiting", "training"])
def test_slices_are_given_back_on_a_signal(tmp_path, signal_sent, states):
    cloud = Cloud(tmp_path, states, slow=True)
    script = cloud.start(pod())
    cloud.wait_for("describe" if states == ["PROVISIONING"] else "ssh")
    script.send_signal(signal_sent)
    assert script.wait() == 128 + signal_sent
    assert cloud.count("create") == cloud.count("delete") == 1
    asked = cloud.count("describe")
    time.sleep(0.1)  # nothing of it asks on
    assert cloud.count("describe") == asked


def test_a_slice_that_is_taken_away_while_it_trains_is_asked_for_again(tmp_path):
    cloud = Cloud(tmp_path, ["ACTIVE", "ACTIVE", "SUSPENDED"], slow=True)
    assert cloud.start(pod(restarts=1)).wait() == 1
    assert cloud.count("create") == cloud.count("delete") == 2


def test_a_resource_that_could_not_be_asked_for_is_not_deleted(tmp_path):
    cloud = Cloud(tmp_path, ["ACTIVE"])
    text = (tmp_path / "gcloud").read_text()
    (tmp_path / "gcloud").write_text(text.replace("*ssh*)", "*create*) exit 1 ;;\n*ssh*)"))
    assert cloud.start(pod()).wait() == 1
    assert cloud.count("delete") == 0


def test_hosts_copy_the_prepared_data_and_not_the_runs_beside_it():
    assert "rsync --recursive gs://BUCKET/signllm /data/signllm" in scripts.queued_resource(pod())
    with pytest.raises(ConfigError, match="no queued resources"):
        scripts.queued_resource(pod(topology="tpu7x:2x2x1"))


@pytest.mark.slow
def test_xpk_takes_the_workload_and_restarts_all_but_bad_input(tmp_path):
    """Asks the pinned xpk, which prints what it would do."""
    made = pod(project="project-1", zone="us-east5-a", cluster="cluster-1")
    xpk = ROOT / ".venv-xpk" / "bin"
    if not (xpk / "xpk").exists():
        pytest.skip("xpk is not installed: make xpk-env")
    manifest = tmp_path / "made.yaml"
    dry = f"create --dry-run --skip-validation --output-manifest-file={manifest}"
    script = scripts.xpk(made).replace("workload create", f"workload {dry}")
    env = os.environ | {"PATH": f"{xpk}:{os.environ['PATH']}"}
    done = subprocess.run([SHELL, "-c", script], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    spec = yaml.safe_load(manifest.read_text())["spec"]
    assert spec["failurePolicy"]["maxRestarts"] == made.restarts
    job = spec["replicatedJobs"][0]["template"]["spec"]
    assert job["parallelism"] == made.hosts
    (rule,) = job["podFailurePolicy"]["rules"]
    restarted = rule["onExitCodes"]["values"]
    assert rule["onExitCodes"]["operator"] == "NotIn"
    assert {cli.FAULT, LOST_HOST, cli.STOPPED} <= {*restarted}
    assert cli.BAD_INPUT not in restarted
    assert job["template"]["spec"]["terminationGracePeriodSeconds"] == made.grace
    assert shlex.join(made.command) in str(job["template"]["spec"]["containers"][0]["command"])


@pytest.mark.parametrize("slices", [1, 2])
def test_the_scripts_are_shell_and_run_the_same_training(slices, tmp_path):
    made = pod(slices=slices)
    for text in (scripts.xpk(made), scripts.queued_resource(made)):
        (tmp_path / "script").write_text(text)
        subprocess.run(["sh", "-n", str(tmp_path / "script")], check=True)
        assert shlex.join(made.command) in text
    assert scripts.queued_resource(made).count("tpu-vm ssh") == slices


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
