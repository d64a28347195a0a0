"""Beam search against all lines that there are."""

import functools
import itertools

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

from signllm_jax.inference.beam_search import beam_search, length_penalty, mean_of_tokens

log_softmax = functools.partial(scipy.special.log_softmax, axis=-1)


def every_line(vocab, most, end):
    """All lines of up to `most` tokens, with the end and without."""
    tokens = [token for token in range(vocab) if token != end]
    for count in range(most + 1):
        for line in itertools.product(tokens, repeat=count):
            if count < most:
                yield (*line, end)
            if count == most:
                yield line


@pytest.mark.parametrize("normalize", [length_penalty(0.0), length_penalty(1.5), mean_of_tokens])
def test_a_search_with_room_for_all_lines_finds_the_best_of_each_row(normalize):
    vocab, most, end, start = 3, 3, 1, 2
    random = np.random.default_rng(3)
    # by row, step, the token two steps before, the token before
    shape = (3, most, vocab, vocab, vocab)
    logits = 2 * random.normal(size=shape).astype(np.float32)
    logits[:, :2, ..., end] -= 4  # long lines win
    table = log_softmax(logits)
    beams = 27

    def step(before, index, caches):
        row, earlier = caches
        token = before[:, 0] % 10
        logp = jnp.asarray(table)[row, index, earlier, token]
        return logp, jnp.full(len(before), 10), (row, token)  # tokens come back with a mark of 10

    caches = jnp.repeat(jnp.arange(3), beams), jnp.full(3 * beams, start)
    empty = jnp.array([False, True, False])
    found = beam_search(step, caches, empty, most, beams, start=start, end=end, normalize=normalize)
    lengths = []
    for row in (0, 2):
        scores = {}
        for line in every_line(vocab, most, end):
            known = (start, start, *line)
            logp = sum(table[row, i, *known[i : i + 3]] for i in range(len(line)))
            if line[-1] == end:
                scores[line] = logp / float(normalize(jnp.float32(len(line)))), logp
        best = max(scores, key=scores.get)
        lengths.append(len(best))
        line = [token + 10 for token in best if token != end]
        assert found.tokens[row].tolist() == line + [0] * (most - len(line))
        np.testing.assert_allclose(found.score[row], scores[best][0], rtol=1e-5)
        np.testing.assert_allclose(found.logp[row], scores[best][1], rtol=1e-5)
    assert max(lengths) == most
    assert found.tokens[1].tolist() == [0] * most
    assert float(found.logp[1]) == float(found.score[1]) == 0


@pytest.mark.parametrize("beams", [1, 3])
def test_of_lines_that_never_end_the_best_unfinished_one_is_taken(beams):
    logp = np.log([0.5, 1e-30, 0.3, 0.2])

    def step(before, index, caches):
        return jnp.broadcast_to(logp, (len(before), 4)), jnp.full(len(before), 4), caches

    found = beam_search(
        step, (), jnp.zeros(2, bool), 4, beams, start=0, end=1, normalize=mean_of_tokens
    )
    assert found.tokens.tolist() == [[4, 4, 4, 4]] * 2
    np.testing.assert_allclose(found.logp, 4 * np.log(0.5), rtol=1e-5)
    np.testing.assert_allclose(found.score, np.log(0.5), rtol=1e-5)
