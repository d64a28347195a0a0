"""The targets of speed: what is reached, what is missed, and what has no record."""

import numpy as np

from launch.benchmarks import quoted
from launch.benchmarks.rows import earlier_row
from launch.benchmarks.targets import TARGETS, Measured, missed_by, reached, table

LEAST = next(target for target in TARGETS if target.least)
MOST = next(target for target in TARGETS if not target.least and target.asked > 0)


def test_a_target_is_reached_at_its_limit_and_missed_by_a_share_of_it():
    assert reached(LEAST, LEAST.asked)
    assert reached(MOST, MOST.asked)
    assert missed_by(LEAST, 2 * LEAST.asked) == missed_by(MOST, MOST.asked / 2) == 0
    np.testing.assert_allclose(missed_by(LEAST, 0.9 * LEAST.asked), 0.1)
    np.testing.assert_allclose(missed_by(MOST, 1.5 * MOST.asked), 0.5)


def test_the_table_has_every_target_and_says_what_was_not_measured():
    line = earlier_row("prepare", [12.0, 10.0, 8.0], [4.0, 5.0, 4.0], "clips")
    report = {"program": "generate", "microseconds_per_frame": 97.4}
    name = "generation-autoregressive-v5e-4x4"
    found = table(Measured([line], {name: report}))
    assert found.count("\n") == len(TARGETS) + 1
    assert found.count("no record") == len(TARGETS) - 2
    prepared = next(row for row in found.splitlines() if "clips prepared" in row)
    assert "2.00 times, 33% off" in prepared
    generated = next(row for row in found.splitlines() if "autoregressive" in row and "µs" in row)
    assert "97.4 µs, 62% off | 62 operations" in generated


def test_a_rate_is_divided_by_the_earlier_one_of_the_same_round():
    row = earlier_row("serve", [10.0, 30.0, 20.0], [5.0, 10.0, 20.0], "words")
    assert (row["times_before"], row["low"], row["high"], row["rounds"]) == (2, 1, 3, 3)
    assert (row["per_cpu_second"], row["per_cpu_second_before"]) == (20, 10)


def test_our_generation_is_held_beside_what_others_quote():
    rows = [
        {"variant": "ours-decode-parallel-8-2-300", "per_second": 6000.0},
        {"variant": "ours-decode-1-1-300", "per_second": 100.0},  # on fewer threads
        {"variant": "eager-decode-8-2-300", "per_second": 1.0},
    ]
    found = quoted.table(rows)
    ours = "| ours, in one pass | 2 CPU cores | 8 of 300 frames | 0.17 | 20.0 | 0.40 |"
    assert ours in found and found.count("ours") == 1
    assert all(other[0] in found for other in quoted.OTHERS)
    assert quoted.table([]) == ""
