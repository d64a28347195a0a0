"""The description of a run on TPU slices, and the JobSet for GKE that starts it.

All hosts of a slice run the same command; jax finds the other hosts by the variables that the
cluster's engine sets. `scripts.py` has the other engines.
"""

import dataclasses
import math
import typing
from collections.abc import Mapping
from typing import Any

from signllm_jax.core.cli import BAD_INPUT
from signllm_jax.core.errors import ConfigError

# chip -> label of GKE's nodes, name and cores per chip of Cloud TPU's types, runtime version;
# Cloud TPU offers tpu7x through GKE alone, so it has no runtime version
CHIPS = {
    "v4": ("tpu-v4-podslice", "v4", 2, "tpu-ubuntu2204-base"),
    "v5e": ("tpu-v5-lite-podslice", "v5litepod", 1, "v2-alpha-tpuv5-lite"),
    "v5p": ("tpu-v5p-slice", "v5p", 2, "v2-alpha-tpuv5"),
    "v6e": ("tpu-v6e-slice", "v6e", 1, "v2-alpha-tpuv6e"),
    "tpu7x": ("tpu7x", "tpu7x", 2, ""),
}
_SINGLE_HOST = {("v5e", 8), ("v6e", 8)}  # eight chips on one machine; otherwise four


@dataclasses.dataclass(frozen=True)
class Pod:
    """A run and the machines it runs on.

    Attributes:
        name: Name of the workload: lower-case letters, digits and hyphens.
        image: Container image, with this package in its working directory.
        topology: `CHIP:TOPOLOGY` such as `v5e:4x4`, as for `launch/compile.py`.
        workdir: Work directory of the run, on a bucket.
        data_dir: Folder of the prepared data: on a bucket, or below /data when `mount` is given.
        train: List of further flags of `launch/train.py`.
        mount: Bucket that GKE mounts at /data, read only; empty = none.
        slices: Number of slices.
        restarts: Number of restarts after a fault or a preemption.
        spot: Whether the machines may be preempted.
        grace: Seconds between the signal of a preemption and the end.
        service_account: Service account of Kubernetes, with access to the buckets.
        project, zone, cluster: Names in Google Cloud.
    """

    name: str
    image: str
    topology: str
    workdir: str
    data_dir: str
    train: list[str]
    mount: str = ""
    slices: int = 1
    restarts: int = 100
    spot: bool = True
    grace: int = 120
    service_account: str = "default"
    project: str = "PROJECT"
    zone: str = "ZONE"
    cluster: str = "CLUSTER"

    @property
    def chip(self) -> str:
        """The kind of chip."""
        return self.topology.partition(":")[0]

    @property
    def shape(self) -> str:
        """The topology alone, such as `4x4`."""
        return self.topology.partition(":")[2]

    @property
    def chips(self) -> int:
        """Number of chips in a slice."""
        return math.prod(map(int, self.shape.split("x")))

    @property
    def chips_per_host(self) -> int:
        """Number of chips in a machine."""
        return 8 if (self.chip, self.chips) in _SINGLE_HOST else min(4, self.chips)

    @property
    def hosts(self) -> int:
        """Number of machines in a slice."""
        return self.chips // self.chips_per_host

    @property
    def accelerator(self) -> str:
        """The type of the slice in Cloud TPU."""
        _, name, cores, _ = CHIPS[self.chip]
        return f"{name}-{self.chips * cores}"

    @property
    def command(self) -> list[str]:
        """The command that every host runs."""
        flags = [f"--workdir={self.workdir}", f"--config.data.data_dir={self.data_dir}"]
        fixed = ["--config.eval.report=False", "--config.log.progress=False"]
        return ["python", "launch/train.py", *self.train, *flags, *fixed]


def read_pod(values: Mapping[str, Any]) -> Pod:
    """A checked Pod; raises ConfigError naming the key that is missing, unknown or wrong."""
    fields = {field.name: field for field in dataclasses.fields(Pod)}
    types = typing.get_type_hints(Pod)
    for name in values:
        if name not in fields:
            raise ConfigError(f"pod: unknown key {name!r}: known are {', '.join(fields)}")
    for name, field in fields.items():
        if name not in values and field.default is dataclasses.MISSING:
            raise ConfigError(f"pod: {name} is missing")
        kind = list if name == "train" else types[name]
        if name in values and type(values[name]) is not kind:
            raise ConfigError(f"pod: {name}: expected {kind.__name__}, not {values[name]!r}")
    pod = Pod(**values)
    sizes = pod.shape.split("x")
    if pod.chip not in CHIPS or not all(size.isdigit() and int(size) for size in sizes):
        raise ConfigError(
            f"pod: topology: {pod.topology!r} is not like v5e:4x4 ({', '.join(CHIPS)})"
        )
    if len(sizes) != (3 if pod.chip in ("v4", "v5p", "tpu7x") else 2):
        raise ConfigError(f"pod: topology: {pod.chip} has no {pod.shape}")
    if pod.chips > 4 and pod.chips % 4:
        raise ConfigError(f"pod: topology: {pod.shape} is no whole number of hosts")
    if not pod.name or not pod.name.replace("-", "a").isalnum() or pod.name != pod.name.lower():
        raise ConfigError(f"pod: name: {pod.name!r} has more than a-z, 0-9 and hyphens")
    if "://" not in pod.workdir:
        raise ConfigError(
            f"pod: workdir: {pod.workdir!r} is not on a bucket: all hosts must see it"
        )
    return pod


def jobset(pod: Pod) -> dict[str, Any]:
    """The JobSet: one Job per slice, one pod per host.

    When a pod fails or is stopped (exit code 75), all pods are restarted and continue from the last
    checkpoint. Bad input (exit code 2) ends the JobSet.
    """
    container = {
        "name": "train",
        "image": pod.image,
        "command": list(pod.command),
        "resources": {"limits": {"google.com/tpu": pod.chips_per_host}},
    }
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "serviceAccountName": pod.service_account,
        "terminationGracePeriodSeconds": pod.grace,
        "nodeSelector": {
            "cloud.google.com/gke-tpu-accelerator": CHIPS[pod.chip][0],
            "cloud.google.com/gke-tpu-topology": pod.shape,
        },
        "containers": [container],
    }
    template: dict[str, Any] = {"spec": spec}
    if pod.spot:
        spec["nodeSelector"]["cloud.google.com/gke-spot"] = "true"
        spec["tolerations"] = [{"key": "cloud.google.com/gke-spot", "operator": "Exists"}]
    if pod.mount:
        template["metadata"] = {"annotations": {"gke-gcsfuse/volumes": "true"}}
        container["volumeMounts"] = [{"name": "data", "mountPath": "/data", "readOnly": True}]
        driver = {"driver": "gcsfuse.csi.storage.gke.io", "readOnly": True}
        driver["volumeAttributes"] = {"bucketName": pod.mount, "mountOptions": "implicit-dirs"}
        spec["volumes"] = [{"name": "data", "csi": driver}]
    bad_input = {"containerName": "train", "operator": "In", "values": [BAD_INPUT]}
    return {
        "apiVersion": "jobset.x-k8s.io/v1alpha2",
        "kind": "JobSet",
        "metadata": {
            "name": pod.name,
            "annotations": {
                "alpha.jobset.sigs.k8s.io/exclusive-topology": "cloud.google.com/gke-nodepool"
            },
        },
        "spec": {
            "failurePolicy": {
                "maxRestarts": pod.restarts,
                "rules": [
                    {
                        "name": "badInput",
                        "action": "FailJobSet",
                        "onJobFailureReasons": ["PodFailurePolicy"],
                    }
                ],
            },
            "replicatedJobs": [
                {
                    "name": "slice",
                    "replicas": pod.slices,
                    "template": {
                        "spec": {
                            "parallelism": pod.hosts,
                            "completions": pod.hosts,
                            "backoffLimit": 0,
                            "podFailurePolicy": {
                                "rules": [{"action": "FailJob", "onExitCodes": bad_input}]
                            },
                            "template": template,
                        }
                    },
                }
            ],
        },
    }
