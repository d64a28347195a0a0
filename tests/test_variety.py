"""Clips of one text differ: a clip has a latent, and may be made of all its patches at once."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import CONFIG, LEFT, MODEL, RIGHT, TEXT, mesh_of, packed_batch, random_params

from signllm_jax.aot.collectives import cross_language_bytes
from signllm_jax.core.config import read_config, to_dict
from signllm_jax.core.errors import ConfigError
from signllm_jax.inference import pose_decoding
from signllm_jax.models import generation, mlsf
from signllm_jax.models.history import teacher_forcing
from signllm_jax.models.layers.steps import packed_steps
from signllm_jax.models.layers.variety import HANDS, Seen, Variety, divergence, shown_hands
from signllm_jax.models.text2pose import Text2Pose
from signllm_jax.parallel import language_axis, sharding
from signllm_jax.rl import policy
from signllm_jax.rl.clips import unpack
from signllm_jax.train.mlsf import MlsfTask

pytestmark = pytest.mark.usefixtures("mesh")
LATENT = dataclasses.replace(MODEL, latent=5)
AT_ONCE = dataclasses.replace(LATENT, decoder="parallel")
CLIPS = CONFIG.data.row_clips
SLOW = functools.partial(pytest.param, marks=pytest.mark.slow)


@pytest.fixture(scope="module")
def params(mesh):
    return random_params(AT_ONCE)


def seen_of(batch):
    noise = jnp.zeros((len(batch.text), CLIPS, LATENT.latent))
    even = np.ones(len(batch.text), bool)
    return Seen(batch.frames[..., :-1], batch.joint_mask, batch.segment, noise, even)


def test_the_latent_is_small_and_only_there_where_it_is_asked_for(mesh):
    for frame_size in (151, 385):
        sizes = dataclasses.replace(MODEL, frame_size=frame_size, patch=8)
        with_latent = dataclasses.replace(sizes, latent=16)
        more = mlsf.count_parameters(with_latent) - mlsf.count_parameters(sizes)
        assert 50_000 < more < 200_000
    known = mlsf.abstract_group(MODEL)
    assert not {"variety", "embed_latent", "length"} & set(known)
    once = mlsf.abstract_group(dataclasses.replace(MODEL, decoder="parallel"))
    assert set(known) - set(once) == {"embed_history", "counter_head"}
    assert set(once) - set(known) == {"length"}


def test_the_divergence_is_that_of_samples():
    one = jnp.array([0.3, -1.0]), jnp.array([-0.25, 0.35])
    other = jnp.array([0.0, 0.5]), jnp.array([0.1, -0.15])
    points = one[0] + jnp.exp(one[1]) * np.random.default_rng(0).normal(size=(100_000, 2))

    def log_density(mean, deviation):
        return -(0.5 * jnp.square((points - mean) / jnp.exp(deviation)) + deviation).sum(-1)

    sampled = (log_density(*one) - log_density(*other)).mean()
    np.testing.assert_allclose(divergence(one, other), sampled, atol=0.02)
    assert divergence(one, one) == 0 and divergence(one, other) > 0.5


def test_what_a_clip_shows_of_its_hands():
    segment = np.array([[1] * 8 + [2] * 8 + [3] * 8 + [4] * 4 + [0] * 4])
    mask = np.ones((1, 32, 50), bool)
    mask[:, :8, LEFT] = False
    mask[:, 8:16, RIGHT] = False
    mask[:, 24:, LEFT + RIGHT] = False
    found = shown_hands(mask, segment, 4)
    assert [HANDS[i] for i in found[0].argmax(-1)] == ["right", "left", "both", "neither"]
    assert (found.sum(-1) == 1).all()


def test_nothing_of_a_clip_reaches_another_of_its_row(params, batch):
    """Planted: all of a row's first clip is changed, its text and its frames."""
    first = batch.segment == 1
    other = batch._replace(
        frames=np.where(first[..., None], batch.frames + 1, batch.frames),
        joint_mask=batch.joint_mask ^ first[..., None],
        text=np.where(batch.text_segment == 1, 3, batch.text),
    )

    @jax.jit
    def run(batch):
        model, given = Text2Pose(AT_ONCE), {"params": params}
        text = batch.text, batch.text_segment
        memory = model.apply(given, *text, method="encode")
        memory, told = model.apply(given, memory, seen_of(batch), method="recognize")
        steps = teacher_forcing(batch.frames, batch.segment, MODEL.patch)
        predicted, _ = model.apply(given, *text, *steps, seen=seen_of(batch))
        return memory.latent, told, predicted

    latents, told, predicted = zip(run(batch), run(other))
    for one, changed in zip(*map(jax.tree.leaves, zip(*(latents, told)))):
        np.testing.assert_allclose(one[:, 1:], changed[:, 1:], atol=1e-5)
        assert np.abs(one[:, 0] - changed[:, 0]).max() > 1e-3
    later = batch.segment > 1
    for one, changed in zip(*predicted):
        np.testing.assert_allclose(one[later], changed[later], atol=1e-5)
        assert np.abs(one[first] - changed[first]).max() > 1e-3


@pytest.mark.parametrize("model", [LATENT, AT_ONCE])
def test_a_packed_clip_reads_its_own_latent_and_what_it_may_of_itself(model, batch):
    """The past alone, patch by patch; all of itself at once."""
    history, counter, segment = teacher_forcing(batch.frames, batch.segment, MODEL.patch)
    module, given = Text2Pose(model), {"params": random_params(model)}
    memory = module.apply(given, batch.text, batch.text_segment, method="encode")
    latent = np.random.default_rng(0).normal(size=(2, CLIPS, 9)).astype(np.float32)

    def numbers(latent, counter):
        steps = packed_steps(segment, whole=model.decoder == "parallel")
        own = memory._replace(latent=latent)
        made, _ = module.apply(given, own, history, counter, steps, method="decode")
        return jnp.square(made.frames).sum((-1, -2))

    by_latent, by_counter = jax.jit(jax.jacrev(numbers, (0, 1)))(latent, counter)
    rows, patches = segment.shape
    row, patch = np.indices((rows, patches))
    same = (row[..., None, None] == row) & (segment[..., None, None] == segment) & (segment > 0)
    if model.decoder == "autoregressive":
        same &= patch[..., None, None] >= patch
    real = segment > 0
    np.testing.assert_array_equal((np.abs(by_counter) > 1e-9)[real], same[real])
    reached = np.abs(by_latent).max(-1) > 1e-9
    clip = np.arange(1, CLIPS + 1)
    own = (row[..., None, None] == np.arange(rows)[:, None]) & (segment[..., None, None] == clip)
    np.testing.assert_array_equal(reached[real], own[real])


@pytest.fixture(scope="module")
def make(params):
    return jax.jit(
        lambda noise, text=TEXT: pose_decoding.generate(Text2Pose(AT_ONCE), params, text, 64, noise)
    )


def test_noise_decides_on_the_clip_and_the_likeliest_needs_none(make):
    noise = np.random.default_rng(0).normal(size=(3, generation.draws(AT_ONCE)))
    noise = noise.astype(np.float32)
    one, again, other = make(noise), make(noise), make(-noise)
    for x, y in zip(one, again):
        np.testing.assert_array_equal(x, y)
    assert np.abs(one.frames[:2] - other.frames[:2]).max((1, 2)).min() > 1e-3
    assert one.length[2] == 0 and not one.ended[2] and not one.seen[2].any()
    assert (one.length[:2] > 0).all() and one.ended[:2].all()
    likeliest = make(0 * noise)
    for x, y in zip(likeliest, make(None)):
        np.testing.assert_allclose(x, y, atol=1e-6)


@pytest.mark.parametrize("model", [LATENT, AT_ONCE])
def test_a_clip_shows_only_the_hands_that_were_drawn_for_it(model):
    """However much the model wants to show all: the other hand stays hidden in every frame."""
    params = random_params(model)
    params["seen_head"]["bias"] = params["seen_head"]["bias"] + 50
    params["variety"]["hands"]["kernel"] = 0 * params["variety"]["hands"]["kernel"]
    text = np.repeat(TEXT[:1], 16, 0)
    noise = np.random.default_rng(0).normal(size=(16, generation.draws(model)))
    made = jax.jit(lambda noise: pose_decoding.generate(Text2Pose(model), params, text, 16, noise))(
        noise.astype(np.float32)
    )
    drawn = set()
    for seen, length in zip(np.asarray(made.seen), made.length):
        shown = seen[:length]
        hands = shown[:, RIGHT].any(), shown[:, LEFT].any()
        assert all((shown[:, side] == there).all() for side, there in zip((RIGHT, LEFT), hands))
        assert shown[:, :8].all()
        drawn.add(hands)
    assert len(drawn) == 4


def test_the_hands_are_drawn_as_often_as_they_are_likely(params):
    own = {**params["variety"], "hands": {"kernel": np.zeros((MODEL.width, 4), np.float32)}}
    own["hands"]["bias"] = np.log(np.array([0.05, 0.6, 0.25, 0.1], np.float32))
    noise = np.random.default_rng(0).normal(size=(1, 20_000, 9)).astype(np.float32)
    module = Variety(5, MODEL.patch * 150)
    drawn = module.apply({"params": own}, np.zeros((1, 20_000, MODEL.width)), noise, method="draw")
    np.testing.assert_allclose(drawn[0, :, 5:].mean(0), [0.05, 0.6, 0.25, 0.1], atol=0.01)


def test_a_parallel_decoder_has_no_loop_and_ends_where_it_says(params):
    def run(params):
        return pose_decoding.generate(Text2Pose(AT_ONCE), params, TEXT, 64)

    assert "while" not in str(jax.make_jaxpr(run)(params))
    pace = params["length"]["pace"]
    for frames, length in ((7, 21), (40, 64)):
        fixed = {"kernel": 0 * pace["kernel"], "bias": np.log([frames / 8]).astype(np.float32)}
        made = jax.jit(run)(params | {"length": params["length"] | {"pace": fixed}})
        assert made.length[0] == length and made.ended[0] == (length < 64)
        assert np.abs(made.frames[0, length - 1]).max() > 0
        assert not made.frames[0, length:].any() and not made.seen[0, length:].any()


@pytest.mark.slow
@pytest.mark.parametrize("decoder", ["autoregressive", "parallel"])
def test_the_weight_of_the_latent_pushes_the_posterior_to_the_prior(batch, decoder):
    model = dataclasses.replace(LATENT, decoder=decoder)
    loss, params = dataclasses.replace(CONFIG.loss, latent=10.0), random_params(model)
    task = MlsfTask(dataclasses.replace(CONFIG, model=model, loss=loss))
    step = jax.jit(jax.grad(lambda p: task.loss(p, batch, jax.random.key(0)), has_aux=True))
    found, lengths = [], []
    for _ in range(8):
        grads, terms = step(params)
        params = jax.tree.map(lambda p, g: p - 0.003 * g, params, grads)
        known = {name: float(value) for name, value in terms.items()}
        names = ["velocity", "counter", "seen", "latent"]
        names += ["length"] if decoder == "parallel" else []
        parts = known["frame"] + sum(getattr(loss, n) * known[n] for n in names)
        np.testing.assert_allclose(known["loss"], parts, rtol=1e-5)
        found.append(known["latent"])
        lengths.append(known.get("length", 0.0))
    assert found[-1] < 0.8 * found[0]
    assert decoder != "parallel" or (lengths[-1] < lengths[0] and known["counter"] == 0)


def test_clips_drawn_by_priority_do_not_teach_what_to_expect(batch):
    """The prior learns from the rows in the data's order alone; all else from all rows."""
    module, params = Text2Pose(LATENT), random_params(LATENT)

    def surplus(params, even):
        given = {"params": params}
        memory = module.apply(given, batch.text, batch.text_segment, method="encode")
        seen = seen_of(batch)._replace(even=even)
        return module.apply(given, memory, seen, method="recognize")[1].surplus.sum()

    found, gradient = {}, jax.jit(jax.grad(surplus))
    for name, even in (("none", [0, 0]), ("first", [1, 0]), ("all", [1, 1])):
        grads = gradient(params, np.array(even, bool))["variety"]
        sizes = jax.tree.map(lambda leaf: float(np.abs(leaf).sum()), grads)
        found[name] = {part: sum(jax.tree.leaves(leaf)) for part, leaf in sizes.items()}
    for part in ("hands", "prior", "prior_text", "prior_hands"):
        assert found["none"][part] == 0 < found["first"][part] != found["all"][part]
    for part in ("posterior", "patch", "clip"):
        assert found["none"][part] == pytest.approx(found["all"][part], rel=1e-5)


@pytest.mark.slow
def test_a_language_alone_learns_what_it_learns_among_others():
    task = MlsfTask(dataclasses.replace(CONFIG, model=AT_ONCE))

    @jax.jit
    def gradients(params, batch, keys):
        return language_axis.lift(jax.grad(task.loss, has_aux=True))(params, batch, keys)

    found = []
    for languages in (("asl",), ("gsl", "asl")):
        start = functools.partial(mlsf.init, AT_ONCE, jax.random.key(0), languages)
        params = jax.jit(start)()
        keys = language_axis.keys(jax.random.key(1), languages)
        made = gradients(params, packed_batch(languages, rows=2), keys)
        found.append(jax.tree.map(lambda leaf: leaf[-1], (params, made)))
    for one, other in zip(*map(jax.tree.leaves, found)):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_languages_on_devices_of_their_own_tell_each_other_nothing():
    """Also where a clip is made in several passes."""
    model = dataclasses.replace(AT_ONCE, flow=2)
    noise = np.random.default_rng(0).normal(size=(2, 2, generation.draws(model, 32)))
    stacked = jax.tree.map(lambda leaf: np.stack([leaf, 1.1 * leaf]), random_params(model))
    spread = mesh_of(2, 1, 2, 2)
    own = jax.sharding.NamedSharding(spread, jax.sharding.PartitionSpec("language"))

    def run(params, noise):
        text = np.stack([TEXT[:2], TEXT[1::-1]])
        return pose_decoding.generate_lanes(Text2Pose(model), params, text, 32, noise)

    inputs = stacked, noise.astype(np.float32)
    together = jax.jit(run)(*inputs)
    with sharding.use_mesh(spread):
        placed = jax.device_put(inputs, own)
        program = jax.jit(run, out_shardings=own).lower(*placed).compile()
        apart = program(*placed)
    assert cross_language_bytes(program.as_text(), spread, default_trips=1) == 0
    for one, other in zip(together, apart):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("model", [SLOW(LATENT), AT_ONCE])
def test_a_rollout_is_of_the_clip_that_it_is_held_against(model, batch):
    """And the policy gradient reaches what a rollout depends on."""
    module, params, clips = Text2Pose(model), random_params(model), unpack(batch, 16, 6)
    rl = dataclasses.replace(CONFIG.rl, loss="policy_gradient")
    weights = np.ones(50, np.float32)

    @jax.jit
    def run(params, clips):
        seen = policy.shown(module, clips)
        made = policy.rollout(module, params, clips.text, 4, seen=seen)
        sizes = params, clips, weights, 0.3, jax.random.key(0), rl.reward
        return made, jax.grad(lambda p: policy.policy_loss(module, p, *sizes[1:]))(params)

    (frames, *_), grads = run(params, clips)
    other, _ = run(params, clips._replace(frames=clips.frames + 1))
    assert np.abs(frames - other[0])[clips.length > 0].max() > 1e-4
    for name in ("frame_head", "embed_latent"):
        assert np.abs(grads[name]["kernel"]).max() > 0


def test_a_parallel_rollout_makes_what_is_generated(params, make):
    """Of the most probable clips: neither noise nor a clip is given."""
    rollout = jax.jit(lambda p: policy.rollout(Text2Pose(AT_ONCE), p, TEXT, 16))
    frames, shown, counter, length = rollout(params)
    made = make(None)
    assert length[:2].tolist() == made.length[:2].tolist()
    kept = np.arange(64) < np.asarray(made.length)[:, None]
    np.testing.assert_allclose(frames * kept[..., None], made.frames, atol=1e-5)
    np.testing.assert_array_equal(shown & kept[..., None], made.seen)
    np.testing.assert_allclose(counter[0, length[0] - 1], 1, rtol=1e-6)


def test_a_kernel_of_causal_attention_does_not_fit_a_parallel_decoder():
    config = dataclasses.replace(
        CONFIG,
        model=dataclasses.replace(AT_ONCE, attention="splash"),
        data=dataclasses.replace(CONFIG.data, row_frames=512),
    )
    with pytest.raises(ConfigError, match="parallel has xla alone"):
        read_config(to_dict(config))
