"""Writes the table of docs/reliability.md from what the tests of kills and stops have found.

python docs/reliability.py REPORT.xml...: JUnit reports, build/test.xml and build/test-slow.xml
after `make test test-slow`; `make reliability` runs the tests that are asked for and then this.
"""

import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

PAGE = Path(__file__).with_name("reliability.md")
START, END = "<!-- measured -->", "<!-- end of measured -->"
# what is tried -> how it is to end, and the tests that try it; each case of a test is one try
TRIED = {
    "killed twice, one process": (
        "same digest, log and groups as a run left alone",
        ["test_kills.test_killed_twice_at_random_moments"],
    ),
    "stopped twice, one process": (
        "exit code 75 with a checkpoint of the last step; then as above",
        ["test_kills.test_stopped_twice_at_random_moments"],
    ),
    "a host killed twice, two processes": (
        "the other ends too; then as above",
        ["test_hosts.test_nothing_is_lost_but_what_came_after_the_last_checkpoint"],
    ),
    "a host stopped twice, two processes": (
        "both save the same step and exit with 75; then as above",
        ["test_hosts.test_sigterm_on_one_host_stops_both_at_the_same_step"],
    ),
    "data swapped": (
        "refused with exit code 2, nothing changed",
        [
            "test_resuming.test_a_run_does_not_go_on_with_swapped_texts",
            "test_resuming.test_other_data_is_refused_by_name_and_a_run_from_before_goes_on",
        ],
    ),
    "records damaged": (
        "skipped, named and counted; the run ends well",
        ["test_bad_clips.test_a_run_goes_on_without_damaged_clips_and_says_which"],
    ),
    "checkpoints gone": (
        "refused with exit code 2, nothing changed",
        ["test_workdir.test_a_trained_model_without_its_checkpoints_is_not_trained_over"],
    ),
    "disk full": (
        "one line and exit code 2, the last checkpoint whole",
        [
            "test_damage.test_a_full_disk_leaves_the_last_good_checkpoint",
            "test_damage.test_training_on_a_full_disk_stops_with_one_line",
        ],
    ),
    "work directory moved or deleted": (
        "exit code 2, nothing is made at the old place; a moved run goes on where it is",
        ["test_kills.test_a_run_whose_work_directory_is_gone_ends_with_an_error"],
    ),
    "a worker of prepare killed": (
        "its clip is lost, named and counted; all others as without the kill",
        ["test_workers.test_a_killed_process_costs_its_clip_which_is_named_and_counted"],
    ),
    "a host lost": (
        "the other ends with an error",
        ["test_hosts.test_a_lost_host_ends_the_other"],
    ),
    "a host hung": (
        "both end with exit code 3 and the host's number",
        ["test_hosts.test_a_host_that_lives_but_makes_no_progress_ends_both"],
    ),
}


def read(paths: list[str]) -> dict[str, list[tuple[bool, float]]]:
    """Test -> (whether it passed, seconds) of each of its cases; skipped cases are left out."""
    found: dict[str, list[tuple[bool, float]]] = {}
    for path in paths:
        for case in ET.parse(path).iter("testcase"):
            if case.find("skipped") is not None:
                continue
            name = re.sub(r"\[.*", "", case.get("name", ""), flags=re.DOTALL)
            test = f"{case.get('classname', '').rpartition('.')[2]}.{name}"
            passed = case.find("failure") is None and case.find("error") is None
            found.setdefault(test, []).append((passed, float(case.get("time", 0))))
    return found


def table(found: dict[str, list[tuple[bool, float]]]) -> str:
    """Markdown: what was tried how often, how it is to end, and how often it did."""
    lines = ["| tried | how it ends | tries | ended so | seconds a try |", "|---|---|---|---|---|"]
    for title, (ends, tests) in TRIED.items():
        cases = [case for test in tests for case in found.get(test, [])]
        passed = sum(ok for ok, _ in cases)
        mean = sum(seconds for _, seconds in cases) / max(len(cases), 1)
        seconds = f"{mean:.{int(mean < 1)}f}" if cases else "not run"
        lines.append(f"| {title} | {ends} | {len(cases)} | {passed} | {seconds} |")
    return "\n".join(lines)


def main(paths: list[str]) -> int:
    """Puts the table of the reports between the page's marks; 1 where a test is in none of them."""
    found = read(paths)
    lacking = [test for _, tests in TRIED.values() for test in tests if test not in found]
    page = PAGE.read_text("utf-8")
    before, _, rest = page.partition(START)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{START}\n{table(found)}\n{END}{after}", "utf-8")
    for test in lacking:
        print(f"not run: {test}", file=sys.stderr)
    return bool(lacking)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
