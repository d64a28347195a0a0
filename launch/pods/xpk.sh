#!/bin/sh
# written by launch/pods/render.py
set -e
xpk workload create \
  --project=PROJECT \
  --zone=ZONE \
  --cluster=CLUSTER \
  --workload=signllm \
  --tpu-type=v5litepod-16 \
  --num-slices=1 \
  --docker-image=REGION-docker.pkg.dev/PROJECT/REPOSITORY/signllm_jax:latest \
  --max-restarts=100 \
  --restart-on-exit-codes=1,3,75 \
  --termination-grace-period-seconds=120 \
  --storage=signllm-data --spot \
  --command='python launch/train.py --config=configs/mlsf.py:prompt2sign,base --config.train.batch_size=32 --config.data.row_tokens=128 --config.mesh.language=8 --config.mesh.fsdp=2 --workdir=gs://BUCKET/runs/base --config.data.data_dir=/data/signllm --config.eval.report=False --config.log.progress=False'
