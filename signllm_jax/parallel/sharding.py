"""The whole sharding policy: one mesh, one table of rules, and strict look-ups into it.

A language's weights, optimizer state and batch live on its own slice of the mesh's `language`
axis; within the slice rows are split over `data` and `fsdp`, weights over `fsdp` and `tensor`.
"""

import contextlib
import math

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import mesh_utils
from jax.sharding import AbstractMesh, AxisType, Mesh, NamedSharding, PartitionSpec

from signllm_jax.core.errors import ConfigError
from signllm_jax.core.typing import Tree

MESH_AXES = ("language", "data", "fsdp", "tensor")

# logical axis -> mesh axis; a name that is not here is an error, never a silent replication
RULES: dict[str, str | tuple[str, ...] | None] = {
    "language": "language",
    "rows": ("data", "fsdp"),
    "embed": "fsdp",
    "heads": "tensor",
    "mlp": "tensor",
    "vocab": "tensor",
    "head_dim": None,
    "patch": None,
    "progress": None,
    "norm": None,
    "width": None,
    "time": None,
}


def partition_spec(names: tuple[str | None, ...]) -> PartitionSpec:
    """Maps logical axis names to a PartitionSpec; raises KeyError on a name without a rule."""
    return PartitionSpec(*(None if name is None else RULES[name] for name in names))


def default_mesh_shape(languages: int, devices: int, rows: int, width: int) -> dict[str, int]:
    """One language a slice as far as the devices divide, then fsdp as far as `rows` (of a
    language in a batch) and `width` divide; it may leave devices over."""
    language = math.gcd(languages, devices)
    fsdp = math.gcd(devices // language, rows, width)
    return {"language": language, "data": 1, "fsdp": fsdp, "tensor": 1}


def make_mesh(shape: dict[str, int], devices=None) -> Mesh:
    """A mesh of MESH_AXES; `shape` may leave out axes of size 1.

    Raises ConfigError on an unknown axis or when the sizes do not multiply to the devices.
    """
    devices = jax.devices() if devices is None else devices
    if unknown := set(shape) - set(MESH_AXES):
        raise ConfigError(f"unknown mesh axis {min(unknown)!r}: axes are {', '.join(MESH_AXES)}")
    sizes = tuple(int(shape.get(axis, 1)) for axis in MESH_AXES)
    if min(sizes) < 1 or math.prod(sizes) != len(devices):
        described = ", ".join(f"{axis} {size}" for axis, size in zip(MESH_AXES, sizes))
        raise ConfigError(f"a mesh of {described} does not divide {len(devices)} devices")
    types = (AxisType.Auto,) * len(MESH_AXES)
    try:
        return jax.make_mesh(sizes, MESH_AXES, axis_types=types, devices=devices)
    except NotImplementedError:  # an axis of the slice must be cut: 8 x 2 on a torus of 4 x 4
        cut = mesh_utils.create_device_mesh(sizes, devices, allow_split_physical_axes=True)
        return Mesh(cut, MESH_AXES, axis_types=types)


def check_divides(
    mesh: Mesh, languages: int, rows: int, width: int, heads: int, strata: int = 0
) -> None:
    """Raises ConfigError when the mesh does not divide what it has to split; `strata` are those of
    the replay buffer, 0 = none."""
    size = dict(mesh.shape)
    for what, count, axes in (
        ("languages", languages, ("language",)),
        ("rows a language (train.batch_size)", rows, ("data", "fsdp")),
        ("config.rl.strata", strata, ("data", "fsdp")),
        ("the model width", width, ("fsdp",)),
        ("attention heads", heads, ("tensor",)),
    ):
        parts = math.prod(size[axis] for axis in axes)
        if count % parts:
            raise ConfigError(
                f"mesh: {what}: {count} cannot be split over {'*'.join(axes)} = {parts}"
            )


def constrain(x: jax.Array, *names: str | None) -> jax.Array:
    """Pins the sharding of an activation by logical names, inside `jax.set_mesh`.

    Raises ValueError outside of a mesh and KeyError on an unknown name: a constraint that does
    nothing is a bug that shows only in the bill.
    """
    if jax.sharding.get_abstract_mesh().empty:
        raise ValueError("constrain needs a mesh: run under jax.set_mesh(make_mesh(...))")
    if len(names) != x.ndim:
        raise ValueError(f"{len(names)} names for an array of {x.ndim} axes")
    return jax.lax.with_sharding_constraint(x, partition_spec(names))


def on_cpu() -> bool:
    """Whether jax is tracing for a mesh of CPUs; False outside of a mesh of devices.

    It asks the mesh and not the machine: programs for TPUs are compiled on machines without one.
    """
    device = jax.sharding.get_abstract_mesh().abstract_device
    return device is not None and device.platform == "cpu"


def gather_weights(params: Tree) -> Tree:
    """Parameters [L, ...] that every device of a language holds whole, inside `jax.set_mesh`.

    For loops that read all parameters in every iteration, and would gather them in each. On a mesh
    with a `tensor` axis they stay as they are, since that axis splits parameters.
    """
    if jax.sharding.get_abstract_mesh().shape.get("tensor", 1) > 1:
        return params
    return jax.lax.with_sharding_constraint(params, PartitionSpec(RULES["language"]))


def tree_specs(boxed: Tree, leading: tuple[str, ...] = ()) -> Tree:
    """PartitionSpecs of a tree of logically partitioned parameters.

    Args:
        boxed: parameters as flax initializes them, each in an `nn.LogicallyPartitioned` box.
        leading: logical names of axes stacked in front, for example `('language',)`.

    Raises:
        ValueError: a parameter has no logical names.
        KeyError: a logical name has no rule.
    """

    def spec(path, box):
        if not isinstance(box, nn.LogicallyPartitioned):
            raise ValueError(f"parameter {jax.tree_util.keystr(path)} has no logical axes")
        return partition_spec(leading + tuple(box.names))

    return jax.tree_util.tree_map_with_path(
        spec, boxed, is_leaf=lambda leaf: isinstance(leaf, nn.LogicallyPartitioned)
    )


def state_specs(abstract_state: Tree, parameter_specs: Tree) -> Tree:
    """Specs for any state around the parameters: optimizer moments get their parameter's.

    A leaf whose path ends with a parameter's path and has its rank gets that parameter's spec;
    arrays led by the language axis (counts, masks) are split over `language`; scalars and keys
    are replicated. `abstract_state` is what `jax.eval_shape` returns for the state.
    """
    by_path = {_names(path): spec for path, spec in jax.tree.leaves_with_path(parameter_specs)}

    def spec(path, leaf):
        names = _names(path)
        for start in range(len(names)):
            parameter_spec = by_path.get(names[start:])
            if parameter_spec is not None and len(parameter_spec) == leaf.ndim:
                return parameter_spec
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) or leaf.ndim == 0:
            return PartitionSpec()
        return PartitionSpec(RULES["language"])

    return jax.tree_util.tree_map_with_path(spec, abstract_state)


def _names(path) -> tuple[str, ...]:
    return tuple(str(getattr(k, "key", getattr(k, "name", getattr(k, "idx", k)))) for k in path)


def shardings(mesh: Mesh, specs: Tree) -> Tree:
    """NamedShardings on `mesh` for a tree of PartitionSpecs."""
    return jax.tree.map(lambda spec: NamedSharding(mesh, spec), specs)


def replicated(mesh: Mesh | AbstractMesh) -> NamedSharding:
    """Sharding of arrays that every device holds whole."""
    return NamedSharding(mesh, PartitionSpec())


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """Sharding of every array [L, B, ...] of a Batch."""
    return NamedSharding(mesh, partition_spec(("language", "rows")))


def on_own_rows(function):
    """Maps a function of one lane over lanes; each device computes its own part by itself.

    The first axis of arguments and results is the lanes; a second axis, if they have one, is rows
    (or is split as rows are). The last argument is a scalar for all. Devices exchange nothing.
    Inside of the function, `row_block()` is the index of the device's block of rows.
    """

    def run(*args):
        spec = partition_spec(("language", "rows"))
        specs = jax.tree.map(lambda x: PartitionSpec(*spec[: x.ndim]), args)
        mapped = jax.vmap(function, in_axes=(*[0] * (len(args) - 1), None))
        return jax.shard_map(mapped, in_specs=specs, out_specs=spec, check_vma=False)(*args)

    return run


def on_own_heads(function):
    """Maps a function of rows' heads over the mesh; each device computes its own part by itself.

    For kernels, which the compiler cannot split. Arguments are arrays of one lane: [B, H, N, M / H]
    or [B, ...]; the result is [B, H, N, M / H]. `language_axis.lift` adds the lanes.
    """
    heads = partition_spec(("rows", "heads"))

    def run(*args):
        specs = tuple(heads if x.ndim == 4 else partition_spec(("rows",)) for x in args)
        return jax.shard_map(function, in_specs=specs, out_specs=heads, check_vma=False)(*args)

    return run


def on_own_languages(function):
    """Maps a function of lanes over the mesh's `language` axis; each slice computes by itself.

    The first axis of arguments and results is the lanes. The function gets the lanes of one slice,
    and slices exchange nothing: the loop of a slice ends when its own lanes have ended. The
    compiler still splits the other axes of the mesh.
    """
    lanes = PartitionSpec(RULES["language"])
    return jax.shard_map(
        function, in_specs=lanes, out_specs=lanes, axis_names={RULES["language"]}, check_vma=False
    )


def row_block() -> jax.Array:
    """int32 []: which block of rows this device has, within `on_own_rows`."""
    return jax.lax.axis_index(RULES["rows"])


def local_block(sharding: NamedSharding, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The (language, row) indices of an [L, B] batch that this host's devices hold.

    Returns the sorted language indices and row indices whose product this host must load.
    """
    indices = sharding.addressable_devices_indices_map(shape).values()
    languages, rows = (
        np.unique(np.concatenate([np.arange(size)[index[axis]] for index in indices if index]))
        for axis, size in enumerate(shape)
    )
    return languages, rows


def place(array: np.ndarray, where: NamedSharding) -> jax.Array:
    """Puts an array that every host holds on the devices; each device gets its part."""
    return jax.make_array_from_callback(array.shape, where, lambda index: array[index])


def global_batch(local: Tree, where: NamedSharding, leading: tuple[int, int]) -> Tree:
    """The batch of all hosts, of which each host has a part.

    Args:
        local: This host's part, numpy arrays [l, b, ...].
        where: Sharding of the whole.
        leading: L and B of the whole.
    """
    make = jax.make_array_from_process_local_data
    return jax.tree.map(lambda x: make(where, x, (*leading, *x.shape[2:])), local)


def use_shape_mesh():
    """A mesh without devices, for code that only asks for shapes."""
    types = (AxisType.Auto,) * len(MESH_AXES)
    return jax.sharding.use_abstract_mesh(AbstractMesh((1,) * 4, MESH_AXES, axis_types=types))


@contextlib.contextmanager
def use_mesh(mesh: Mesh):
    """Makes `mesh` the one that `constrain` and jit see."""
    with jax.set_mesh(mesh):
        yield mesh
