"""Attention by kernels: as XLA's, in value and in gradient, on any mesh; and what is refused."""

import dataclasses
import functools
import re

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from tiny import CONFIG, mesh_of, one_device

from signllm_jax.aot.collectives import cross_language_bytes
from signllm_jax.aot.plan import plan
from signllm_jax.core import config as configs
from signllm_jax.core.config import read_config, to_dict
from signllm_jax.core.errors import ConfigError
from signllm_jax.models import mlsf
from signllm_jax.models.layers import kernels
from signllm_jax.models.layers.attention import Attention
from signllm_jax.models.text2pose import Text2Pose
from signllm_jax.parallel import language_axis, sharding
from signllm_jax.train import setup

WIDTH, HEADS, PLACES = 32, 4, 128
SEGMENT = np.zeros((2, PLACES), np.int32)
"""Rows of three clips and padding, and of two that fill the row."""
SEGMENT[0, :40], SEGMENT[0, 40:41], SEGMENT[0, 41:110] = 1, 2, 3
SEGMENT[1, :77], SEGMENT[1, 77:] = 1, 2


def causal_mask(segment):
    mask = (segment[:, :, None] == segment[:, None, :]) & (segment[:, :, None] > 0)
    return mask & np.tri(segment.shape[1], dtype=bool)


@pytest.fixture
def attended():
    """From a kernel's name to the outputs of a layer of attention and their gradients."""
    x = np.random.default_rng(0).normal(size=(2, PLACES, WIDTH)).astype(np.float32)
    with sharding.use_mesh(one_device()):
        init = functools.partial(Attention(WIDTH, HEADS).init, method="keys_values")
        params = nn.unbox(jax.jit(init)(jax.random.key(0), x))
    real = (SEGMENT > 0)[..., None]

    def of(kernel):
        layer = Attention(WIDTH, HEADS, kernel=kernel)
        segment = None if kernel == "xla" else jnp.array(SEGMENT)

        def loss(params, x):
            keys_values = layer.apply(params, x, method="keys_values")
            given = x, keys_values, jnp.array(causal_mask(SEGMENT)), None, True, None, segment
            out = layer.apply(params, *given)
            return (jnp.sin(out) * real).sum(), out

        return jax.jit(jax.grad(loss, (0, 1), has_aux=True))(params, x)

    with sharding.use_mesh(one_device()):
        yield of


def close(one, other, tolerance=2e-5):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, tolerance, tolerance), one, other)


def test_splash_attends_as_xla_does_and_so_do_its_gradients(attended):
    close(attended("splash_interpreted"), attended("xla"))


@pytest.fixture
def no_cudnn(monkeypatch):
    """Has jax's own formula in the place of cuDNN, and gives what was asked for."""
    asked, attend = [], jax.nn.dot_product_attention

    def formula(*args, implementation, **options):
        asked.append((implementation, options["is_causal"]))
        return attend(*args, implementation="xla", **options)

    monkeypatch.setattr(jax.nn, "dot_product_attention", formula)
    return asked


def test_cudnn_is_asked_through_jax_for_what_xla_does(attended, no_cudnn):
    close(attended("cudnn"), attended("xla"))
    assert set(no_cudnn) == {("cudnn", True)}


MODEL = dataclasses.replace(tiny.MODEL, patch=1, dropout=0.1)
CODES = ("asl", "gsl")


def gradients(kernel, mesh, remat="none"):
    """Loss and gradients of two languages on a mesh, and the program they came from."""
    model = Text2Pose(dataclasses.replace(MODEL, attention=kernel, remat=remat))
    random = np.random.default_rng(1)
    segment = np.broadcast_to(SEGMENT, (2, *SEGMENT.shape))
    text = random.integers(2, MODEL.vocab, (2, 2, 12)).astype(np.int32)
    text_segment = np.broadcast_to(np.repeat([1, 2, 3], 4).astype(np.int32), text.shape)
    history = random.normal(size=(*segment.shape, MODEL.frame_size - 1)).astype(np.float32)
    counter = random.random(segment.shape).astype(np.float32)
    given = (text, text_segment, history, counter, segment)
    boxed = mlsf.abstract_group(MODEL)
    places = sharding.shardings(mesh, sharding.tree_specs(boxed, leading=("language",)))
    params = jax.tree.map(
        lambda x: 0.2 * random.normal(size=(2, *x.shape)).astype(np.float32), nn.unbox(boxed)
    )

    def loss(params, *given):
        rng = {"dropout": jax.random.key(1)}
        predicted = model.apply({"params": params}, *given, training=True, rngs=rng)
        real = given[-1] > 0
        return jnp.sum(jnp.square(predicted.frames).mean(-1) * real) / real.sum()

    rows = sharding.batch_sharding(mesh)
    step = jax.jit(
        language_axis.lift(jax.value_and_grad(loss)), in_shardings=(places,) + (rows,) * len(given)
    )
    with sharding.use_mesh(mesh):
        program = step.lower(params, *given).compile()
        placed = jax.device_put(params, places), *jax.device_put(given, rows)
        return jax.device_get(program(*placed)), program.as_text()


@pytest.mark.parametrize(
    "kernel, shape, remat",
    [
        pytest.param("splash_interpreted", (2, 1, 2, 2), "none", marks=pytest.mark.slow),
        pytest.param("splash_interpreted", (1, 1, 1, 1), "products", marks=pytest.mark.slow),
        pytest.param("cudnn", (1, 2, 1, 2), "products", marks=pytest.mark.slow),
    ],
)
def test_on_a_mesh_a_model_learns_by_a_kernel_what_it_learns_by_xla(kernel, shape, remat, no_cudnn):
    mesh = mesh_of(*shape)
    made, program = gradients(kernel, mesh, remat)
    known, _ = gradients("xla", one_device())
    close(made, known, 2e-4)
    assert cross_language_bytes(program, mesh) == 0


def jaxpr_of(model, training):
    one = jnp.ones((1, PLACES), jnp.int32)
    history = jnp.zeros((1, PLACES, MODEL.frame_size - 1))

    def apply(params):
        rng = {"dropout": jax.random.key(0)}
        given = one, one, history, one.astype(jnp.float32), one
        return model.apply({"params": params}, *given, training=training, rngs=rng)

    with sharding.use_mesh(one_device()):
        params = jax.eval_shape(lambda: mlsf.init(MODEL, jax.random.key(0), ("asl",)))
        one_lane = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), params)
        return str(jax.make_jaxpr(apply)(one_lane))


def test_a_kernel_is_in_a_training_step_alone_and_never_by_default():
    plain = Text2Pose(MODEL)
    by_kernel = Text2Pose(dataclasses.replace(MODEL, attention="splash"))
    assert MODEL.attention == "xla"
    assert "pallas_call" in jaxpr_of(by_kernel, training=True)
    for training in (True, False):
        text = jaxpr_of(plain, training)
        assert "pallas_call" not in text and "shard_map" not in text
    assert jaxpr_of(by_kernel, training=False) == jaxpr_of(plain, training=False)


def test_cudnn_s_own_operation_is_in_the_program_for_a_gpu(monkeypatch):
    """As far as that can be told without one: it is lowered, not run."""
    from jax._src.cudnn import fused_attention_stablehlo as cudnn

    monkeypatch.setattr(cudnn, "check_cudnn_version", lambda: 91000)
    shape = jax.ShapeDtypeStruct((3, 2, HEADS, PLACES, 64), jnp.bfloat16)  # of three languages
    segment = jax.ShapeDtypeStruct((3, 2, PLACES), jnp.int32)

    def loss(query, key, value, segment):
        out = kernels.attend_by_kernel("cudnn", query, key, value, segment)
        return out.astype(jnp.float32).sum()

    with sharding.use_mesh(one_device()):
        step = jax.jit(language_axis.lift(jax.grad(loss, (0, 1, 2))))
        traced = step.trace(shape, shape, shape, segment)
        text = traced.lower(lowering_platforms=("cuda",)).as_text()
    calls = [line for line in text.splitlines() if "custom_call @__cudnn$" in line]
    names = [re.search(r"cudnn\$(\w+)", line)[1] for line in calls]
    assert names == ["fmhaScaleBiasSoftmax", "fmhaScaleBiasSoftmaxBackward"]
    # one mask for all heads
    assert all(f"tensor<6x1x{PLACES}x{PLACES}xbf16>" in line for line in calls)


LONG = {
    "data": {"row_frames": 1024},
    "model": {"patch": 8, "width": 128, "heads": 4, "attention": "splash"},
}


def changed(**sections):
    values = to_dict(configs.Config())
    for section, more in (LONG | sections).items():
        values[section] = values[section] | LONG.get(section, {}) | more
    return values


@pytest.mark.parametrize(
    "sections, words",
    [
        ({"data": {"row_frames": 1000}}, "splash takes rows of a multiple of 128 patches.*125"),
        ({"model": {"attention": "flash"}}, "'flash' is not one of xla, splash"),
        ({"model": {"attention": "cudnn", "heads": 32}}, "multiple of 8 up to 128.* 4"),
        ({"model": {"attention": "cudnn", "width": 1024}}, "multiple of 8 up to 128.* 256"),
        ({"model": {"attention": "cudnn"}, "data": {"row_frames": 1000}}, "even number .*125"),
        ({"model": {"attention": "cudnn", "dtype": "float32"}}, "bfloat16"),
    ],
)
def test_what_a_kernel_cannot_take_is_named(sections, words):
    with pytest.raises(ConfigError, match=words):
        read_config(changed(**sections))


@pytest.mark.parametrize("task", ["text2gloss", "back_translation"])
def test_a_task_without_a_kernel_says_so(task):
    with pytest.raises(ConfigError, match=f"the task {task} has xla alone"):
        read_config(changed() | {"task": task})


@pytest.mark.parametrize("kind, chip", [("splash", "TPU"), ("cudnn", "GPU")])
def test_a_kernel_of_another_machine_is_refused(kind, chip):
    config = read_config(changed(model={"attention": kind}))
    with pytest.raises(ConfigError, match=f"attention: {kind} needs a {chip}, and this is a CPU"):
        setup.make_run_mesh(config, ("asl",))
    kernels.check_platform(kind, chip.lower())


def test_a_slice_of_tpus_has_no_cudnn():
    config = read_config(changed(model={"attention": "cudnn"}))
    with pytest.raises(ConfigError, match="cudnn needs a GPU, and this is a TPU"):
        plan(config, "v5e:2x2", "", decode=False, sweep=False, say=print)


def test_the_default_trains_by_xla():
    assert CONFIG.model.attention == read_config({}).model.attention == "xla"
