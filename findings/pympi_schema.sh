#!/bin/sh
# pympi-ling 1.71: the schema of ELAN files that it reads and writes. 2026-11-29, Python 3.11.
#
# Expected: a valid file of EAF 3.0 that is read and written again still is one: VERSION, FORMAT and
#   the schema that it names agree. A file that names no schema, which XML leaves free
#   (xsi:noNamespaceSchemaLocation is a hint), is read like one that does.
# What happens:
#   - what is written says VERSION and FORMAT 3.0 and names EAFv2.8.xsd, without a warning, so a
#     validator that follows the hint checks it by the wrong schema;
#   - the file without the hint is refused by a KeyError of the attribute's name, which
#     `parse_eaf` deletes without looking whether it is there (pympi/Elan.py).
# Here: signllm_jax/corpora/subtitles.py reads ELAN files with the standard library.
#
# Exits with 1 where the output is another one.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet pympi-ling==1.71
cat > "$folder/show.py" <<'PY'
import re
import sys

import pympi

EAF = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="2026-01-01T00:00:00+00:00" FORMAT="3.0" VERSION="3.0"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"{}>
<HEADER MEDIA_FILE="" TIME_UNITS="milliseconds"/>
<TIME_ORDER><TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="0"/>
<TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="900"/></TIME_ORDER>
<TIER LINGUISTIC_TYPE_REF="default-lt" TIER_ID="gloss"><ANNOTATION>
<ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
<ANNOTATION_VALUE>ONE</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>
<LINGUISTIC_TYPE GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="default-lt" TIME_ALIGNABLE="true"/>
</ANNOTATION_DOCUMENT>
"""
HINT = ' xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd"'
for name, hint in (("with", HINT), ("without", "")):
    path = f"{sys.argv[1]}/{name}.eaf"
    with open(path, "w") as file:
        file.write(EAF.format(hint))
    try:
        pympi.Eaf(path).to_file(path)
    except KeyError as error:
        print(f"{name} hint: KeyError {error}")
        continue
    with open(path) as file:
        found = re.findall(r'(VERSION|FORMAT|SchemaLocation)="([^"]*)"', file.read())
    print(f"{name} hint:", ", ".join(f"{key} {value.rpartition('/')[2]}" for key, value in found))
PY
"$folder/venv/bin/python" "$folder/show.py" "$folder" > "$folder/told"
cat "$folder/told"
cat > "$folder/expected" <<'TOLD'
with hint: VERSION 3.0, FORMAT 3.0, SchemaLocation EAFv2.8.xsd
without hint: KeyError '{http://www.w3.org/2001/XMLSchema-instance}noNamespaceSchemaLocation'
TOLD
cmp "$folder/told" "$folder/expected"
