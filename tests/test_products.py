"""Products with weights: flattened on CPUs, with the values and gradients of the plain product."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AbstractDevice, AbstractMesh, AxisType
from tiny import mesh_of, one_device

from signllm_jax.models.layers.products import product
from signllm_jax.parallel import language_axis, sharding

LANES, ROWS, TIME, INTO, OUT = 2, 4, 24, 16, 40
TOLERANCE = {jnp.float32: 1e-5, jnp.bfloat16: 2e-2}


@pytest.fixture
def given():
    random = np.random.default_rng(0)
    x = random.normal(size=(LANES, ROWS, TIME, INTO)).astype(np.float32)
    return x, random.normal(size=(LANES, INTO, OUT)).astype(np.float32)


def gradients(multiply, dtype):
    """Values and gradients of a product per language, as one program."""

    def of_language(x, kernel):
        def loss(x, kernel):
            out = multiply(x.astype(dtype), kernel.astype(dtype)).astype(jnp.float32)
            return jnp.sin(out).sum(), out

        return jax.grad(loss, (0, 1), has_aux=True)(x, kernel)

    return jax.jit(language_axis.lift(of_language))


@pytest.mark.parametrize("mesh", [(1, 1, 1, 1), (2, 2, 2, 1), (2, 1, 2, 2)])
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_values_and_gradients_are_those_of_the_plain_product(given, dtype, mesh):
    mesh = mesh_of(*mesh)
    x, kernel = given
    specs = ("language", "rows"), ("language", "embed", "mlp")
    placed = [
        jax.device_put(array, jax.NamedSharding(mesh, sharding.partition_spec(names)))
        for array, names in zip((x, kernel), specs)
    ]
    with sharding.use_mesh(mesh):
        ours, plain = (gradients(multiply, dtype)(*placed) for multiply in (product, jnp.dot))
    for one, other in zip(jax.tree.leaves(ours), jax.tree.leaves(plain), strict=True):
        scale = np.abs(other).max()
        np.testing.assert_allclose(one / scale, other / scale, atol=TOLERANCE[dtype])


def test_the_gradient_of_weights_multiplies_activations_as_they_lie(given):
    """XLA's compiler writes none of them transposed, as it does for the plain product."""
    x, kernel = (array[0] for array in given)

    def program(multiply):
        gradient = jax.grad(lambda *args: jnp.sin(multiply(*args)).sum(), 1)
        return jax.jit(gradient).lower(x, kernel).compile().as_text()

    with sharding.use_mesh(one_device()):
        ours, plain = program(product), program(jnp.dot)
    assert " transpose(" not in ours and " transpose(" in plain


def test_a_product_for_another_device_than_a_cpu_is_the_plain_one(given):
    x, kernel = given
    types = (AxisType.Auto,) * 4
    tpu = AbstractDevice("TPU v5 lite", None, "tpu")
    mesh = AbstractMesh((1,) * 4, sharding.MESH_AXES, axis_types=types, abstract_device=tpu)
    for traced_for in (mesh, mesh.update(abstract_device=None)):
        with jax.sharding.use_abstract_mesh(traced_for):
            ours, plain = (
                str(jax.make_jaxpr(lambda *args, m=multiply: m(*args))(x[0], kernel[0]))
                for multiply in (product, jnp.dot)
            )
        assert ours == plain
    with sharding.use_mesh(one_device()):
        assert str(jax.make_jaxpr(product)(x[0], kernel[0])) != plain
