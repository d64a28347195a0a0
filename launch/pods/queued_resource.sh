#!/bin/sh
# written by launch/pods/render.py
set -e
gcloud compute tpus queued-resources create signllm \
  --project=PROJECT \
  --zone=ZONE \
  --node-id=signllm \
  --accelerator-type=v5litepod-16 \
  --runtime-version=v2-alpha-tpuv5-lite --spot
trap 'gcloud compute tpus queued-resources delete signllm --project=PROJECT --zone=ZONE --quiet --force' EXIT
until gcloud compute tpus queued-resources describe signllm --project=PROJECT --zone=ZONE --format='value(state.state)' | grep -q ACTIVE; do sleep 30; done
gcloud compute tpus tpu-vm ssh signllm \
  --project=PROJECT \
  --zone=ZONE \
  --worker=all \
  --command='sudo mkdir -p /data && sudo gcloud storage rsync --recursive gs://BUCKET /data && sudo docker run --rm --privileged --net=host -v /data:/data:ro REGION-docker.pkg.dev/PROJECT/REPOSITORY/signllm_jax:latest python launch/train.py --config=configs/mlsf.py:prompt2sign,base --config.train.batch_size=32 --config.data.row_tokens=128 --config.mesh.language=8 --config.mesh.fsdp=2 --workdir=gs://BUCKET/runs/base --config.data.data_dir=/data/signllm --config.eval.report=False --config.log.progress=False' & pids="$pids $!"
for pid in $pids; do wait $pid; done
