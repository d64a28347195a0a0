import dataclasses

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import PartitionSpec as P
from tiny import CONFIG, LANGUAGES, mesh_of, one_device

from signllm_jax.aot.collectives import cross_language_bytes, read_collectives
from signllm_jax.core.errors import ConfigError
from signllm_jax.models import mlsf
from signllm_jax.parallel import sharding
from signllm_jax.train.state import state_shardings

ATTENTION = {
    "query_kernel": P("language", "fsdp", "tensor"),
    "query_bias": P("language", "tensor"),
    "key_kernel": P("language", "fsdp", "tensor"),
    "value_kernel": P("language", "fsdp", "tensor"),
    "value_bias": P("language", "tensor"),
    "out_kernel": P("language", "tensor", "fsdp"),
    "out_bias": P("language", None),
}
NORM = {"scale": P("language", None), "bias": P("language", None)}
MLP = {
    "up": {"kernel": P("language", "fsdp", "tensor"), "bias": P("language", "tensor")},
    "down": {"kernel": P("language", "tensor", "fsdp"), "bias": P("language", None)},
}
INTO_WIDTH = {"kernel": P("language", None, "fsdp"), "bias": P("language", None)}
OUT_OF_WIDTH = {"kernel": P("language", "fsdp", None), "bias": P("language", None)}
SPECS = {
    "embed_text": {"embedding": P("language", "tensor", "fsdp")},
    "text_progress": INTO_WIDTH,
    "encoder_0": {
        "norm_self": NORM,
        "self_attention": ATTENTION,
        "norm_mlp": NORM,
        "mlp_layer": MLP,
    },
    "norm_text": NORM,
    "embed_history": INTO_WIDTH,
    "frame_progress": INTO_WIDTH,
    "start": P("language", None),
    "decoder_0": {
        "norm_self": NORM,
        "self_attention": ATTENTION,
        "norm_cross": NORM,
        "cross_attention": ATTENTION,
        "norm_mlp": NORM,
        "mlp_layer": MLP,
    },
    "bias_slope": P("language", None, "tensor"),
    "bias_offset": P("language", None, "tensor"),
    "norm_frames": NORM,
    "frame_head": OUT_OF_WIDTH,
    "counter_head": OUT_OF_WIDTH,
    "seen_head": OUT_OF_WIDTH,
}


def specs_of(shardings):
    return jax.tree.map(lambda s: s.spec, shardings)


def flat(tree):
    is_spec = lambda leaf: isinstance(leaf, P)  # noqa: E731
    leaves = jax.tree_util.tree_flatten_with_path(tree, is_leaf=is_spec)[0]
    return {jax.tree_util.keystr(path): spec for path, spec in leaves}


def test_every_parameter_has_its_partition_spec():
    specs = sharding.tree_specs(mlsf.abstract_group(CONFIG.model), leading=("language",))
    assert flat(specs) == flat(SPECS)


def test_the_moments_of_a_parameter_lie_where_it_lies():
    state = state_shardings(CONFIG, LANGUAGES, mesh_of(2, 2, 2, 1))
    assert flat(specs_of(state.params)) == flat(SPECS)
    adam, *others = [
        part
        for part in jax.tree.leaves(state.opt_state, is_leaf=lambda x: hasattr(x, "mu"))
        if hasattr(part, "mu")
    ]
    assert not others
    assert flat(specs_of(adam.mu)) == flat(specs_of(adam.nu)) == flat(SPECS)
    assert adam.count.spec == state.active.spec == P("language")
    assert state.step.spec == state.key.spec == P()


def test_an_unknown_logical_name_is_an_error():
    with pytest.raises(KeyError, match="embde"):
        sharding.partition_spec(("language", "embde"))
    with sharding.use_mesh(one_device()), pytest.raises(KeyError, match="widht"):
        sharding.constrain(jnp.zeros((2, 2)), "rows", "widht")


def test_a_parameter_without_logical_names_is_an_error():
    with pytest.raises(ValueError, match="kernel"):
        sharding.tree_specs({"kernel": jnp.zeros(3)})


def test_a_constraint_outside_of_a_mesh_is_an_error():
    with pytest.raises(ValueError, match="needs a mesh"):
        sharding.constrain(jnp.zeros((2, 2)), "rows", "width")
    with sharding.use_mesh(one_device()), pytest.raises(ValueError, match="2 axes"):
        sharding.constrain(jnp.zeros((2, 2)), "rows")


def test_a_constraint_inside_of_a_mesh_splits_the_rows():
    mesh = mesh_of(1, 2, 4, 1)
    with sharding.use_mesh(mesh):
        out = jax.jit(lambda x: sharding.constrain(x * 1, "rows", "width"))(jnp.zeros((8, 4)))
    assert out.sharding.spec == P(("data", "fsdp"), None) or out.sharding.spec == P(
        ("data", "fsdp")
    )
    assert out.addressable_shards[0].data.shape == (1, 4)


@dataclasses.dataclass(frozen=True)
class Chip:
    """A TPU as far as a mesh looks at it."""

    id: int
    coords: tuple[int, int, int]
    core_on_chip: int = 0
    platform: str = "tpu"
    device_kind: str = "TPU v6 lite"
    process_index: int = 0
    slice_index: int = 0
    client: None = None


def test_an_axis_of_a_slice_is_cut_where_no_product_of_them_fits():
    chips = [Chip(4 * y + x, (x, y, 0)) for y in range(4) for x in range(4)]
    mesh = sharding.make_mesh({"language": 8, "fsdp": 2}, chips)
    assert dict(mesh.shape) == {"language": 8, "data": 1, "fsdp": 2, "tensor": 1}
    assert len({chip.id for chip in mesh.devices.flat}) == 16
    for one, other in mesh.devices.reshape(8, 2):  # neighbours
        assert sum(abs(a - b) for a, b in zip(one.coords, other.coords)) == 1


@pytest.mark.parametrize(
    ("languages", "devices", "rows", "shape"),
    [
        (4, 1, 3, (1, 1)),
        (4, 8, 4, (4, 2)),
        (4, 8, 3, (4, 1)),  # three rows cannot be split over two devices: four are left over
        (8, 8, 8, (8, 1)),
        (8, 256, 64, (8, 32)),
        (3, 8, 16, (1, 8)),
    ],
)
def test_the_default_mesh_gives_each_language_a_slice_as_far_as_it_divides(
    languages, devices, rows, shape
):
    found = sharding.default_mesh_shape(languages, devices, rows, width=128)
    assert (found["language"], found["fsdp"]) == shape
    assert found["data"] == found["tensor"] == 1


@pytest.mark.parametrize("shape", [{"language": 3}, {"model": 8}, {"data": 0}, {"fsdp": 16}])
def test_a_mesh_that_does_not_fit_the_devices_is_refused(shape):
    with pytest.raises(ConfigError, match="mesh"):
        sharding.make_mesh(shape)


@pytest.mark.parametrize(
    ("shape", "what"),
    [
        ((8, 1, 1, 1), "languages"),
        ((1, 8, 1, 1), "batch_size"),
        ((1, 1, 8, 1), "batch_size"),
        ((1, 1, 1, 8), "heads"),
    ],
)
def test_what_a_mesh_does_not_divide_is_refused_by_name(shape, what):
    with pytest.raises(ConfigError, match=what):
        sharding.check_divides(mesh_of(*shape), languages=4, rows=4, width=32, heads=4)


def test_strata_that_a_mesh_does_not_divide_are_refused_and_no_strata_are_not():
    mesh = mesh_of(2, 2, 2, 1)
    sharding.check_divides(mesh, languages=2, rows=8, width=32, heads=4)
    with pytest.raises(ConfigError, match=r"config\.rl\.strata: 2 cannot .* data\*fsdp = 4"):
        sharding.check_divides(mesh, languages=2, rows=8, width=32, heads=4, strata=2)


def test_a_host_loads_the_block_that_its_devices_hold():
    sharded = sharding.batch_sharding(mesh_of(2, 2, 2, 1))
    languages, rows = sharding.local_block(sharded, (4, 8))
    assert (languages.tolist(), rows.tolist()) == ([0, 1, 2, 3], list(range(8)))


MODULE = """HloModule jit_step, is_scheduled=true

%s (a: f32[], b: f32[]) -> f32[] {{
  %a = f32[] parameter(0)
  %b = f32[] parameter(1)
  ROOT %c = f32[] add(%a, %b)
}}

ENTRY %main (x: f32[10]) -> f32[10] {{
{}
}}
"""
LINES = """  %a = f32[4,2]{1,0} all-gather(%x), replica_groups=[4,2]<=[8], dimensions={0}
  %b = (bf16[3]{0}, f32[5]{0}) all-reduce(%x), replica_groups={{0,1,2,3},{4,5,6,7}}, to_apply=%s"""
ACROSS = {
    "all-reduce(%x), replica_groups={{0,4},{1,5},{2,6},{3,7}}, to_apply=%s": True,
    "all-reduce(%x), replica_groups={}, to_apply=%s": True,
    "all-reduce-start(%x), replica_groups=[4,2]<=[2,4]T(1,0), to_apply=%s": True,
    "all-gather(%x), replica_groups=[2,4]<=[8], dimensions={1}": False,
    "all-to-all(%x), replica_groups=mesh['axis_0'=2,'axis_1'=4] {'axis_0'}": True,
    "all-to-all(%x), replica_groups=mesh['axis_0'=2,'axis_1'=4] {'axis_1'}, x={0}": False,
    "all-to-all(%x), replica_groups=mesh['a'=2,'b'=2,'c'=2] {'b','c'}": False,
    "all-to-all(%x), replica_groups=mesh['a'=2,'b'=2,'c'=2] {'a','c'}": True,
    "all-reduce(%x), replica_groups=mesh['a'=2,'b'=2,'c'=2], "
    "device_ids=([2,2,2]T(0,2,1)) {'b'}, to_apply=%s": False,
    "all-reduce(%x), replica_groups=mesh['a'=2,'b'=2,'c'=2], "
    "device_ids=([2,2,2]T(2,1,0)) {'c'}, to_apply=%s": True,
    "collective-permute(%x), source_target_pairs={{0,1},{1,0}}": False,
    "collective-permute(%x), source_target_pairs={{0,1},{3,4}}": True,
    "reduce-scatter(%x), replica_groups={{0},{1},{2},{3},{4},{5},{6},{7}}": False,
}


def test_collectives_are_read_with_their_bytes():
    gather, reduce = read_collectives(MODULE.format(LINES), 8)
    assert (gather.kind, gather.bytes) == ("all-gather", 32)
    assert gather.groups.tolist() == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert (reduce.kind, reduce.bytes, reduce.groups.shape) == ("all-reduce", 26, (2, 4))


@pytest.mark.parametrize("attributes", ACROSS)
def test_a_collective_that_joins_two_languages_is_found(attributes):
    line = f"  %a = f32[10]{{0}} {attributes}"
    module = MODULE.format(line)
    assert cross_language_bytes(module, mesh_of(2, 2, 2, 1)) == 40 * ACROSS[attributes]


@pytest.mark.parametrize(
    "unknown",
    [
        "all-reduce(%x), replica_groups=V2[8]",
        "all-reduce(%x), replica_groups={{0,1},{2}}",
        "all-reduce(%x), replica_groups=mesh['a'=2,'b'=2] {'a'}",
        "all-reduce(%x), replica_groups=mesh['a'=2,'b'=4] {'b':(1)2}",
        "all-reduce(%x), replica_groups=mesh['a'=2,'b'=4], device_ids=(7,6,5,4,3,2,1,0) {'a'}",
        "all-reduce(%x), to_apply=%s",
        "send(%x), channel_id=1",
    ],
)
def test_replica_groups_of_an_unknown_form_are_an_error(unknown):
    with pytest.raises(ValueError):
        read_collectives(MODULE.format(f"  %a = f32[10]{{0}} {unknown}"), 8)
