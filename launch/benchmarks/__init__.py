"""What `launch/benchmark.py` measures: every module has `rows()`, which yields JSON objects."""
