#!/bin/sh
# written by launch/pods/render.py
set -e
pids= watcher= asked=
state() { gcloud compute tpus queued-resources describe signllm --project=PROJECT --zone=ZONE --format='value(state.state)'; }
give_back() {
  trap '' HUP INT TERM
  for pid in $watcher $pids; do kill "$pid" 2>/dev/null || true; done
  pids= watcher=
  [ -z "$asked" ] || gcloud compute tpus queued-resources delete signllm --project=PROJECT --zone=ZONE --quiet --force || true
  asked=
}
trap 'code=$?; trap - EXIT; give_back; exit $code' EXIT
catch() { trap 'exit 129' HUP; trap 'exit 130' INT; trap 'exit 143' TERM; }
catch
pause() { sleep "$1" & wait $!; }

# waits until the slice is there; fails when it never will be
await() {
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
}

# ends the sessions of a slice that is taken away, which may not notice it themselves
watch() {
  while sleep 60; do
    case $(state) in ACTIVE | '') ;; *) kill $pids; return ;; esac
  done
}

# trains on all hosts; the exit code is the last one that is not 0
train() {
  code=0
  gcloud compute tpus tpu-vm ssh signllm \
  --project=PROJECT \
  --zone=ZONE \
  --worker=all \
  --command='sudo mkdir -p /data/signllm && sudo gcloud storage rsync --recursive gs://BUCKET/signllm /data/signllm && sudo docker run --rm --privileged --net=host -v /data:/data:ro REGION-docker.pkg.dev/PROJECT/REPOSITORY/signllm_jax:latest python launch/train.py --config=configs/mlsf.py:prompt2sign,base --config.train.batch_size=32 --config.data.row_tokens=128 --config.mesh.language=8 --config.mesh.fsdp=2 --workdir=gs://BUCKET/runs/base --config.data.data_dir=/data/signllm --config.eval.report=False --config.log.progress=False' & pids="$pids $!"
  watch & watcher=$!
  for pid in $pids; do wait "$pid" || code=$?; done
  kill $watcher 2>/dev/null || true
  pids= watcher=
  return $code
}

attempt=0
while [ $attempt -le 100 ]; do
  attempt=$((attempt + 1))
  gcloud compute tpus queued-resources create signllm \
  --project=PROJECT \
  --zone=ZONE \
  --node-id=signllm \
  --accelerator-type=v5litepod-16 \
  --runtime-version=v2-alpha-tpuv5-lite --spot
  asked=yes code=1
  if await; then
    code=0
    train || code=$?
    case $code in 0 | 2) exit $code ;; esac
  fi
  echo "attempt $attempt ended with exit code $code, the slice is $(state || echo unknown)" >&2
  give_back
  catch
  pause 30
done
exit 1
