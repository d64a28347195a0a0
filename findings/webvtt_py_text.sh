#!/bin/sh
# webvtt-py 0.6.0: what `Caption.text` makes of valid cues. 2026-11-29, Python 3.11.
#
# Expected: the text of a cue as a viewer reads it.
#   - WebVTT (https://www.w3.org/TR/webvtt1/, "WebVTT cue text tokenizer") decodes character
#     references: `Tom &amp; Jerry, 5 &lt; 6` reads "Tom & Jerry, 5 < 6".
#   - SubRip has no references and few tags (b, i, u, font): `if 5 < 6 and 7 > 3` reads as it stands.
# What happens:
#   - references of .vtt stay as they are: "Tom &amp; Jerry, 5 &lt; 6";
#   - of .srt all between < and > is dropped as a tag: "if 5  3". No warning; `raw_text` has it.
# Here: signllm_jax/corpora/subtitles.py decodes references, and drops SubRip's own tags of raw_text.
#
# Exits with 1 where the output is another one.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet webvtt-py==0.6.0
cat > "$folder/cue.vtt" <<'VTT'
WEBVTT

00:00.000 --> 00:02.000
Tom &amp; Jerry, 5 &lt; 6
VTT
cat > "$folder/cue.srt" <<'SRT'
1
00:00:00,000 --> 00:00:02,000
if 5 < 6 and 7 > 3
SRT
cat > "$folder/show.py" <<'PY'
import sys
import webvtt

for name, read in (("vtt", webvtt.read), ("srt", webvtt.from_srt)):
    (cue,) = read(f"{sys.argv[1]}/cue.{name}")
    print(f"{name}: text {cue.text!r}, raw_text {cue.raw_text!r}")
PY
"$folder/venv/bin/python" "$folder/show.py" "$folder" > "$folder/told"
cat "$folder/told"
cat > "$folder/expected" <<'TOLD'
vtt: text 'Tom &amp; Jerry, 5 &lt; 6', raw_text 'Tom &amp; Jerry, 5 &lt; 6'
srt: text 'if 5  3', raw_text 'if 5 < 6 and 7 > 3'
TOLD
cmp "$folder/told" "$folder/expected"
