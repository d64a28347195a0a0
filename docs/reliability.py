"""Writes the table of docs/reliability.md from what the slow tests of kills and stops have found.

python docs/reliability.py REPORT.xml... (`make reliability` runs the tests and then this).
"""

import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

PAGE = Path(__file__).with_name("reliability.md")
START, END = "<!-- measured -->", "<!-- end of measured -->"
# what is tried -> the tests that try it; each case of a test is one try
TRIED = {
    "killed twice, one process": ["test_kills.test_killed_twice_at_random_moments"],
    "stopped twice, one process": ["test_kills.test_stopped_twice_at_random_moments"],
    "a host killed twice, two processes": [
        "test_hosts.test_nothing_is_lost_but_what_came_after_the_last_checkpoint"
    ],
    "a host stopped twice, two processes": [
        "test_hosts.test_sigterm_on_one_host_stops_both_at_the_same_step"
    ],
    "data swapped": ["test_resuming.test_a_run_does_not_go_on_with_swapped_texts"],
    "records damaged": ["test_bad_clips.test_a_run_goes_on_without_damaged_clips_and_says_which"],
    "checkpoints gone": [
        "test_workdir.test_a_trained_model_without_its_checkpoints_is_not_trained_over"
    ],
    "disk full": [
        "test_damage.test_a_full_disk_leaves_the_last_good_checkpoint",
        "test_damage.test_training_on_a_full_disk_stops_with_one_line",
    ],
    "work directory moved or deleted": [
        "test_kills.test_a_run_whose_work_directory_is_gone_ends_with_an_error"
    ],
    "a host lost": ["test_hosts.test_a_lost_host_ends_the_other"],
    "a host hung": ["test_hosts.test_a_host_that_lives_but_makes_no_progress_ends_both"],
}
ENDS = {
    "killed twice, one process": "same digest, log and groups as a run left alone",
    "stopped twice, one process": "exit code 75 with a checkpoint of the last step; then as above",
    "a host killed twice, two processes": "the other ends too; then as above",
    "a host stopped twice, two processes": "both save the same step, exit code 75; then as above",
    "data swapped": "refused with exit code 2, nothing changed",
    "records damaged": "skipped, named and counted; the run ends well",
    "checkpoints gone": "refused with exit code 2, nothing changed",
    "disk full": "one line and exit code 2, the last checkpoint whole",
    "work directory moved or deleted": "exit code 2; a moved run goes on where it is",
    "a host lost": "the other ends with exit code 3",
    "a host hung": "both end with exit code 3 and the host's number",
}


def read(paths: list[str]) -> dict[str, list[tuple[bool, float]]]:
    """Test -> (whether it passed, seconds) of each of its cases; skipped cases are left out."""
    found: dict[str, list[tuple[bool, float]]] = {}
    for path in paths:
        for case in ET.parse(path).iter("testcase"):
            if case.find("skipped") is not None:
                continue
            name = re.sub(r"\[.*", "", case.get("name", ""))
            test = f"{case.get('classname', '').rpartition('.')[2]}.{name}"
            passed = case.find("failure") is None and case.find("error") is None
            found.setdefault(test, []).append((passed, float(case.get("time", 0))))
    return found


def table(found: dict[str, list[tuple[bool, float]]]) -> str:
    """Markdown: what was tried how often, how it is to end, and how often it did."""
    lines = ["| tried | how it ends | tries | ended so | seconds a try |", "|---|---|---|---|---|"]
    for title, tests in TRIED.items():
        cases = [case for test in tests for case in found.get(test, [])]
        passed = sum(ok for ok, _ in cases)
        seconds = f"{sum(s for _, s in cases) / len(cases):.0f}" if cases else "not run"
        lines.append(f"| {title} | {ENDS[title]} | {len(cases)} | {passed} | {seconds} |")
    return "\n".join(lines)


def main(paths: list[str]) -> None:
    """Puts the table of the reports between the page's marks."""
    page = PAGE.read_text()
    before, _, rest = page.partition(START)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{START}\n{table(read(paths))}\n{END}{after}")


if __name__ == "__main__":
    main(sys.argv[1:])
