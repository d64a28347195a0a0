"""Shell scripts that start a run: a workload for xpk, and a queued resource of Cloud TPU."""

import shlex
from collections.abc import Mapping
from typing import Any

from launch.pods.manifests import CHIPS, Pod
from signllm_jax.core.cli import BAD_INPUT, FAULT, STOPPED
from signllm_jax.core.errors import ConfigError
from signllm_jax.parallel.heartbeat import LOST_HOST


def xpk(pod: Pod) -> str:
    """A shell script that creates the workload on a cluster made by xpk.

    xpk restarts only on exit codes 42 and 127 to 255. A fault, a lost host and a stop are added, so
    that a run continues from the last checkpoint after everything but bad input.
    """
    flags = {
        "project": pod.project,
        "zone": pod.zone,
        "cluster": pod.cluster,
        "workload": pod.name,
        "tpu-type": pod.accelerator,
        "num-slices": pod.slices,
        "docker-image": pod.image,
        "max-restarts": pod.restarts,
        "restart-on-exit-codes": f"{FAULT},{LOST_HOST},{STOPPED}",
        "termination-grace-period-seconds": pod.grace,
    }
    if pod.mount:
        flags["storage"] = f"{pod.name}-data"  # attached once, see docs/pods.md
    created = _call("xpk workload create", flags) + (" --spot" if pod.spot else " --on-demand")
    command = shlex.join(pod.command)
    return _script(f"{created} \\\n  --command={shlex.quote(command)}")


def queued_resource(pod: Pod) -> str:
    """A shell script that requests slices of Cloud TPU, trains on all their hosts and deletes them.

    Slices that fail, or that are preempted while they train, are deleted and requested again,
    `restarts` times; the run continues from its last checkpoint. Bad input (exit code 2) ends it.
    The slices are deleted at the end of the run and on HUP, INT and TERM.

    Raises ConfigError for a chip that Cloud TPU does not queue.
    """
    runtime = CHIPS[pod.chip][3]
    if not runtime:
        raise ConfigError(f"pod: topology: {pod.chip} has no queued resources: use GKE or xpk")
    where = {"project": pod.project, "zone": pod.zone}
    nodes = [pod.name] if pod.slices == 1 else [f"{pod.name}-{i}" for i in range(pod.slices)]
    named = {"node-id": pod.name}
    if pod.slices > 1:
        named = {"node-count": pod.slices, "node-prefix": pod.name}
    kind = {"accelerator-type": pod.accelerator, "runtime-version": runtime}
    tpus = "gcloud compute tpus"
    inside = ["sudo docker run --rm --privileged --net=host"]
    if pod.mount:  # the prepared data alone, not the runs that may lie beside it
        below = pod.data_dir.removeprefix("/data").strip("/")
        source, target = f"gs://{pod.mount}/{below}".rstrip("/"), f"/data/{below}".rstrip("/")
        copied = f"gcloud storage rsync --recursive {shlex.quote(source)} {shlex.quote(target)}"
        inside = [
            f"sudo mkdir -p {shlex.quote(target)} && sudo {copied} && {inside[0]} -v /data:/data:ro"
        ]
    inside += [shlex.quote(pod.image), shlex.join(pod.command)]
    flags = where | {"worker": "all", "command": " ".join(inside)}
    started = [_call(f"{tpus} tpu-vm ssh {node}", flags) + ' & pids="$pids $!"' for node in nodes]
    return _script(
        _QUEUE.format(
            create=_call(f"{tpus} queued-resources create {pod.name}", where | named | kind)
            + (" --spot" if pod.spot else ""),
            describe=_call(f"{tpus} queued-resources describe {pod.name}", where, " "),
            delete=_call(f"{tpus} queued-resources delete {pod.name}", where, " "),
            start="\n  ".join(started),
            restarts=pod.restarts,
            bad_input=BAD_INPUT,
        )
    )


# POSIX: dash runs no EXIT trap on a signal, and a trap waits for what runs in the foreground
_QUEUE = """\
pids= watcher= asked=
state() {{ {describe} --format='value(state.state)'; }}
give_back() {{
  trap '' HUP INT TERM
  for pid in $watcher $pids; do kill "$pid" 2>/dev/null || true; done
  pids= watcher=
  [ -z "$asked" ] || {delete} --quiet --force || true
  asked=
}}
trap 'code=$?; trap - EXIT; give_back; exit $code' EXIT
catch() {{ trap 'exit 129' HUP; trap 'exit 130' INT; trap 'exit 143' TERM; }}
catch
pause() {{ sleep "$1" & wait $!; }}

# waits until the slice is there; fails when it never will be
await() {{
  silent=0
  while [ $silent -lt 20 ]; do
    case $(state) in
      ACTIVE) return 0 ;;
      FAILED | SUSPENDING | SUSPENDED | DELETING) return 1 ;;
      '') silent=$((silent + 1)) ;;
      *) silent=0 ;;
    esac
    pause 30
  done
  return 1
}}

# ends the sessions of a slice that is taken away, which may not notice it themselves
watch() {{
  while sleep 60; do
    case $(state) in ACTIVE | '') ;; *) kill $pids; return ;; esac
  done
}}

# trains on all hosts; the exit code is the last one that is not 0
train() {{
  code=0
  {start}
  watch & watcher=$!
  for pid in $pids; do wait "$pid" || code=$?; done
  kill $watcher 2>/dev/null || true
  pids= watcher=
  return $code
}}

attempt=0
while [ $attempt -le {restarts} ]; do
  attempt=$((attempt + 1))
  {create}
  asked=yes code=1
  if await; then
    code=0
    train || code=$?
    case $code in 0 | {bad_input}) exit $code ;; esac
  fi
  echo "attempt $attempt ended with exit code $code, the slice is $(state || echo unknown)" >&2
  give_back
  catch
  pause 30
done
exit 1"""


def _call(command: str, flags: Mapping[str, Any], between: str = " \\\n  ") -> str:
    return between.join([command, *(f"--{k}={shlex.quote(str(v))}" for k, v in flags.items())])


def _script(*lines: str) -> str:
    return "\n".join(("#!/bin/sh", "# written by launch/pods/render.py", "set -e", *lines)) + "\n"
