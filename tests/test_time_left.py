"""What a training says of the time that it still takes."""

from signllm_jax.train.log import TimeLeft


def told(seconds, start=0, steps=3000, first=60.0):
    """What is said after each step: the first one compiles, each other takes so many seconds."""
    left, now, said = TimeLeft(), 0.0, []
    for step in range(start + 1, steps + 1):
        now += first if step == start + 1 else seconds
        said.append(left.after(step, steps, now))
    return said


def test_compiling_is_not_taken_for_the_speed():
    said = told(0.1)
    assert not any(said[:22]) and said[22] == "about 5 min left"
    assert said[-1] == "about a minute left"


def test_a_long_run_is_told_in_hours_and_a_resumed_one_by_its_own_steps():
    assert told(10.0)[30] == "about 8 h left"
    resumed = told(0.1, start=2400)
    assert resumed[22] == "about a minute left" and not resumed[5]
