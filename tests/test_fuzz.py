"""Every target of `make fuzz` reads its file as it was written, so that a run tries something."""

import fuzz
import pytest

RUN = ("config_json", "group_json", "model_json", "params")  # they prepare data and a run

TARGETS = [pytest.param(x, marks=pytest.mark.slow) if x in RUN else x for x in fuzz.TARGETS]


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_reads_what_was_written_and_refuses_what_is_damaged(name, tmp_path):
    path, read = fuzz.TARGETS[name](tmp_path)
    read()
    path.write_bytes(b"\0")
    if name != "prompt":  # any text is one
        with pytest.raises(fuzz.SignLLMError):
            read()


def test_a_record_keeps_the_lines_of_what_was_not_tried_again(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    monkeypatch.setattr(fuzz, "PAGE", page)
    found = {"inputs": 1200, "read": 3, "refused": 4, "slowest_seconds": 0.1, "megabytes": 5}
    first = fuzz.rows({"pose": found, "skels": {"failed": "ended with 1"}})
    page.write_text(fuzz.table(first, 20))
    assert fuzz.recorded() == first and "1,200 inputs" in page.read_text()
    again = fuzz.table(fuzz.recorded() | fuzz.rows({"skels": found}), 20)
    assert "2,400 inputs" in again and "ended" not in again and again.count("1,200") == 2
