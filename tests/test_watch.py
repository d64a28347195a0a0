"""What a host's beats say: lost, hung, behind, or only slow."""

import pytest

from signllm_jax.parallel.heartbeat import BEHIND, LOST, STANDING, Seen, exit_code, fault

NOW = 10_000.0


def seen(beat_age=1.0, made=5, made_age=1.0, beat="7 5"):
    return Seen(beat, NOW - beat_age, made, NOW - made_age)


@pytest.mark.parametrize(
    ("hosts", "said"),
    [
        ((seen(), seen()), None),
        ((seen(), seen(beat_age=LOST + 1)), "host 1 gave no sign of life for 20 s and is lost"),
        ((seen(made=6), seen(made_age=BEHIND - 1)), None),
        ((seen(made=6, made_age=BEHIND + 5), seen(made_age=BEHIND + 9)), "host 1 has hung"),
        ((seen(made=4, made_age=BEHIND + 9), seen()), "host 0 has hung"),
        # all evaluate, compile or wait for each other
        ((seen(made_age=BEHIND + 9), seen(made_age=BEHIND + 9)), None),
        ((seen(made_age=STANDING + 1), seen(made_age=STANDING + 1)), "a host has hung: none made"),
        # the first has ended and the other still writes
        ((seen(beat="over", beat_age=99), seen(made=4, made_age=BEHIND + 9)), None),
        ((seen(beat="over", beat_age=99),), None),
    ],
)
def test_a_host_that_does_not_go_on_is_told_from_one_that_is_lost(hosts, said):
    line = fault(dict(enumerate(hosts)), NOW)
    assert line is None if said is None else line.startswith(said)


def test_a_beat_is_news_and_only_progress_is_progress():
    first = Seen.after(None, "1 0", 1.0)
    beats = Seen.after(first, "2 0", 5.0)
    assert (beats.beat_at, beats.made_at) == (5.0, 1.0)
    goes_on = Seen.after(beats, "3 1", 9.0)
    assert (goes_on.made, goes_on.made_at) == (1, 9.0)
    assert Seen.after(goes_on, "3 1", 13.0) == goes_on
    assert Seen.after(goes_on, "over", 17.0).made == 1


@pytest.mark.parametrize(
    "told, code, said", [(3, 3, ""), (None, 0, ""), ("no such flag", 1, "no such flag\n")]
)
def test_an_exit_with_a_reason_or_nothing_in_place_of_a_code_has_one(told, code, said, capsys):
    assert exit_code(SystemExit(told)) == code
    assert capsys.readouterr().err == said
