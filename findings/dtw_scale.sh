#!/bin/sh
# dtw 1.3.3 and 1.4.0 (Pierre Rouanet's package, which pose metrics use). 2026-11-30, Python 3.11.
#
# Expected: the distance of two sequences is the same in 1.3.3 and in 1.4.0, whose docstrings are the
#   same ("the minimum distance"); and the warp path is a pair of integer arrays, which index the
#   sequences.
# What happens:
#   - 1.3.3 returns the summed cost divided by the lengths of both sequences together, 1.4.0 the
#     sum. "Mean DTW" of a system thus differs by as many times as its clips have frames, 150 for
#     a pair of 75 frames, and an evaluation that divides by the number of frames afterwards, as
#     that of Progressive Transformers does, divides twice with the older one. The ratio differs
#     from pair to pair, so that no factor makes two tables comparable.
#   - the path of a sequence of one frame is an array of float64 zeros and a range, in both
#     versions: `x[path[0]]` is an IndexError for that clip alone.
# Here: signllm_jax/metrics/dtw.py says by what each distance is divided, and paths are integers.
#
# Exits with 1 where the output is another one.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/show.py" <<'PY'
import sys

import numpy as np
from dtw import dtw


def city_block(a, b):
    return float(np.abs(a - b).sum())


for frames in (8, 16):
    wave = np.arange(float(frames))[:, None]
    distance, _, _, path = dtw(wave, wave[::2] + 0.5, dist=city_block)
    print(f"{frames} and {frames // 2} frames: {distance:.4f}, path of {path[0].dtype.kind}")
path = dtw(wave[:1], wave[:3], dist=city_block)[3]
print("1 and 3 frames: path of", path[0].dtype, "and", type(path[1]).__name__)
try:
    wave[path[0]]
except IndexError:
    print("IndexError")
PY
for version in 1.3.3 1.4.0; do
  python3 -m venv "$folder/$version"
  "$folder/$version/bin/python" -m pip install --quiet dtw==$version numpy==2.4.6 scipy==1.17.0
  echo "dtw $version"
  "$folder/$version/bin/python" "$folder/show.py"
done > "$folder/told"
cat "$folder/told"
cat > "$folder/expected" <<'TOLD'
dtw 1.3.3
8 and 4 frames: 0.3333, path of i
16 and 8 frames: 0.3333, path of i
1 and 3 frames: path of float64 and range
IndexError
dtw 1.4.0
8 and 4 frames: 4.0000, path of i
16 and 8 frames: 8.0000, path of i
1 and 3 frames: path of float64 and range
IndexError
TOLD
cmp "$folder/told" "$folder/expected"
