"""Programs for TPU slices: what their text is read to say."""

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import NamedSharding, PartitionSpec
from tiny import mesh_of

from signllm_jax.aot import hlo
from signllm_jax.aot.chips import CHIPS
from signllm_jax.aot.collectives import cross_language_bytes
from signllm_jax.aot.estimate import estimate
from signllm_jax.aot.flops import matmul_flops

CHIP = CHIPS["v5e"]
LOOP = """HloModule jit_step, is_scheduled=true

%inside (p: f32[8]) -> f32[8] {
  %p = f32[8]{0} parameter(0)
  %g = f32[8]{0} all-gather(%p), replica_groups=[4,2]<=[8], frontend_attributes={chain_id="3"}
  ROOT %n = f32[8]{0} negate(%g)
}

%outside (p: f32[8]) -> f32[8] {
  %p = f32[8]{0} parameter(0)
  ROOT %g = f32[8]{0} all-gather(%p), replica_groups=[4,2]<=[8], frontend_attributes={chain_id="3"}
}

%body (state: (s32[], f32[8])) -> (s32[], f32[8]) {
  %state = (s32[], f32[8]{0}) parameter(0)
  %x = f32[8]{0} get-tuple-element(%state), index=1
  %a = f32[8]{0} fusion(%x), kind=kLoop, calls=%inside, backend_config={"estimated_cycles":"100"}
  %b = f32[8]{0} fusion(%a), kind=kCustom, calls=%outside
  ROOT %t = (s32[], f32[8]{0}) tuple(%x, %b)
}

%test (state: (s32[], f32[8])) -> pred[] {
  %state = (s32[], f32[8]{0}) parameter(0)
  ROOT %c = pred[] constant(true)
}

ENTRY %main (x: (s32[], f32[8])) -> f32[8] {
  %x = (s32[], f32[8]{0}) parameter(0)
  %w = (s32[], f32[8]{0}) while(%x), condition=%test, body=%bodyTRIPS
  %y = f32[8]{0} get-tuple-element(%w), index=1
  %k = f32[8]{0} add(%y, %y), backend_config={"estimated_cycles":"7"}
  ROOT %s = f32[8]{0} sort(%k), dimensions={0}
}
"""
KNOWN = LOOP.replace("TRIPS", ', backend_config={"known_trip_count":{"n":"5"}}')
UNKNOWN = LOOP.replace("TRIPS", "")


def test_a_loop_counts_as_often_as_it_runs_and_a_spread_collective_once():
    cost = estimate(KNOWN, mesh_of(4, 1, 2, 1), CHIP)
    assert cost.cycle_seconds * CHIP.clock == pytest.approx(5 * 100 + 7)
    assert cost.collectives == {("all-gather", ("fsdp",)): (5, 5 * 32)}
    assert cost.link_seconds == pytest.approx(5 * 32 / 2 / CHIP.link_bandwidth)
    assert list(cost.uncounted) == ["sort"]  # read and written once
    assert cost.uncounted_seconds == pytest.approx(64 / CHIP.hbm_bandwidth)


def test_a_loop_of_unknown_length_is_an_error_unless_its_length_is_given():
    with pytest.raises(ValueError, match="unknown length"):
        estimate(UNKNOWN, mesh_of(4, 1, 2, 1), CHIP)
    cost = estimate(UNKNOWN, mesh_of(4, 1, 2, 1), CHIP, default_trips=9)
    assert cost.cycle_seconds * CHIP.clock == pytest.approx(907)


MOVES = """HloModule jit_step, is_scheduled=true

%take (store: f32[1000,8], at: s32[4]) -> f32[4,8] {
  %store = f32[1000,8]{1,0} parameter(0)
  %at = s32[4]{0} parameter(1)
  ROOT %g = f32[4,8]{1,0} gather(%store, %at), offset_dims={1}, slice_sizes={1,8}
}

%give (store: f32[1000,8], at: s32[4], new: f32[4,8]) -> f32[1000,8] {
  %store = f32[1000,8]{1,0} parameter(0)
  %at = s32[4]{0} parameter(1)
  %new = f32[4,8]{1,0} parameter(2)
  ROOT %s = f32[1000,8]{1,0} scatter(%store, %at, %new), update_window_dims={1}, to_apply=%last
}

ENTRY %main (x: f32[1000,8], at: s32[4]) -> f32[1000,8] {
  %x = f32[1000,8]{1,0} parameter(0)
  %at = s32[4]{0} parameter(1)
  %some = f32[4,8]{1,0} fusion(%x, %at), kind=kCustom, calls=%take
  %y = f32[1000,8]{1,0} fusion(%x, %at, %some), kind=kCustom, calls=%give
  %i = s32[] constant(3)
  ROOT %z = f32[1000,8]{1,0} dynamic-update-slice(%y, %some, %i, %i)
}

%last (a: f32[], b: f32[]) -> f32[] {
  %a = f32[] parameter(0)
  ROOT %b = f32[] parameter(1)
}
"""


KERNEL = """HloModule jit_step, is_scheduled=true

ENTRY %main (x: f32[8,128]) -> f32[8,128] {
  %x = f32[8,128]{1,0} parameter(0)
  %k = f32[8,128]{1,0:T(8,128)} negate(%x), backend_config={"estimated_cycles":"900000"}
  %attend.1 = (f32[8,128]{1,0:T(8,128)}, f32[8,1]{1,0}) custom-call(%k, /*index=1*/%x), custom_call_target="tpu_custom_call", operand_layout_constraints={f32[8,128]{1,0}}, frontend_attributes={kernel_metadata={
"xprof_metadata":"{\\"block_q\\": 512, \\"layout\\": 1}"
}}, metadata={op_name="splash"}, backend_config={"custom_call_config":{"body":"TUz"}}
  ROOT %y = f32[8,128]{1,0} get-tuple-element(%attend.1), index=0, frontend_attributes={kernel_metadata={
"xprof_metadata":"{\\"block_q\\": 512, \\"layout\\": 1}"
}}, metadata={op_name="splash"}
}
"""  # noqa: E501


def test_a_kernel_without_a_count_is_charged_its_bytes_and_counted():
    cost = estimate(KERNEL, mesh_of(4, 1, 2, 1), CHIP)
    assert cost.kernels == 1 and cost.uncounted_share < 0.05
    assert cost.uncounted_seconds == pytest.approx((3 * 8 * 128 + 8) * 4 / CHIP.hbm_bandwidth)
    assert estimate(MOVES, mesh_of(4, 1, 2, 1), CHIP).kernels == 0


def test_a_store_is_charged_for_what_is_taken_from_it_and_put_into_it():
    cost = estimate(MOVES, mesh_of(4, 1, 2, 1), CHIP)
    taken, put, index = 2 * 4 * 8 * 4, (3 + 2) * 4 * 8 * 4, 2 * 4 * 4
    assert cost.uncounted_seconds == pytest.approx((taken + put + index) / CHIP.hbm_bandwidth)


def test_loops_that_stop_early_run_as_often_as_each_is_given():
    two = UNKNOWN.replace(
        "  %y =", "  %v = (s32[], f32[8]{0}) while(%w), condition=%test, body=%body\n  %y ="
    )
    cost = estimate(two, mesh_of(4, 1, 2, 1), CHIP, default_trips=(9, 2))
    assert cost.cycle_seconds * CHIP.clock == pytest.approx(1107)
    with pytest.raises(ValueError, match="unknown length"):
        estimate(two, mesh_of(4, 1, 2, 1), CHIP, default_trips=(9,))


TWICE = """HloModule jit_step, is_scheduled=true

%body (s: f32[8]) -> f32[8] {
  %s = f32[8]{0} parameter(0)
  ROOT %n = f32[8]{0} negate(%s)
}

%test (t: f32[8]) -> pred[] {
  %t = f32[8]{0} parameter(0)
  ROOT %c = pred[] constant(true)
}

%other (o: f32[8]) -> f32[8] {
  %o = f32[8]{0} parameter(0)
  ROOT %m = f32[8]{0} negate(%o)
}

%inside (p: f32[8]) -> f32[8] {
  %p = f32[8]{0} parameter(0)
  ROOT %w = f32[8]{0} while(%p), condition=%test, body=%body
}

ENTRY %main (x: f32[8]) -> f32[8] {
  %x = f32[8]{0} parameter(0)
  %a = f32[8]{0} call(%x), to_apply=%inside
  %b = f32[8]{0} call(%a), to_apply=%inside
  ROOT %v = f32[8]{0} while(%b), condition=%test, body=%other
}
"""


def test_a_loop_that_is_reached_twice_takes_one_of_the_counts():
    counts = hlo.executions(hlo.read_program(TWICE), (3, 4))
    assert (counts["body"], counts["other"]) == (6, 4)
    with pytest.raises(ValueError, match="unknown length"):
        hlo.executions(hlo.read_program(TWICE), (3,))


COUNTED = """HloModule jit_step, is_scheduled=true

%body (state: (s32[], f32[8])) -> (s32[], f32[8]) {
  %state = (s32[]{:T(128)}, f32[8]{0}) parameter(0)
  %i = s32[] get-tuple-element(%state), index=0
  %x = f32[8]{0} get-tuple-element(%state), index=1
  %one = s32[] constant(1)
  %next = s32[] add(%i, %one)
  %n = f32[8]{0} negate(%x), backend_config={"estimated_cycles":"10"}
  ROOT %t = (s32[], f32[8]{0}) tuple(%next, %n)
}

%test (state: (s32[], f32[8])) -> pred[] {
  %limit = s32[]{:T(128)} constant(20)
  %state = (s32[], f32[8]{0}) parameter(0)
  %i = s32[] get-tuple-element(%state), index=0
  ROOT %lt = pred[]{:T(512)} compare(%i, %limit), direction=LT, metadata={op_name="while/cond/lt"}
}

ENTRY %main (x: f32[8]) -> f32[8] {
  %x = f32[8]{0} parameter(0)
  %first = s32[] constant(3)
  %start = (s32[], f32[8]{0}) tuple(%first, %x)
  %w = (s32[], f32[8]{0}) while(%start), condition=%test, body=%body
  ROOT %y = f32[8]{0} get-tuple-element(%w), index=1
}
"""


@pytest.mark.parametrize("stride, times", [(1, 17), (2, 9), (5, 4), (99, 1)])
def test_a_loop_from_a_constant_to_a_constant_is_counted_from_its_text(stride, times):
    text = COUNTED.replace("%one = s32[] constant(1)", f"%one = s32[] constant({stride})")
    cost = estimate(text, mesh_of(4, 1, 2, 1), CHIP)
    assert cost.cycle_seconds * CHIP.clock == pytest.approx(times * 10)


RING = """HloModule jit_step, is_scheduled=true

%wide.windowed_dot_general_body_rs.clone.sunk (p: (bf16[64,8], u32[])) -> (bf16[64,8], u32[]) {
  %constant.222..sunk = u32[]{:T(128)} constant(31)
  %constant.226..sunk = u32[]{:T(128)} constant(2)
  %wide.param.0 = (bf16[64,8]{1,0:T(8,128)(2,1)S(1)}, u32[]{:T(128)}) parameter(0)
  %part = bf16[64,8]{1,0:T(8,128)(2,1)S(1)} get-tuple-element(%wide.param.0), index=0
  %get-tuple-element.186 = u32[]{:T(128)} get-tuple-element(%wide.param.0), index=1
  %and.25 = u32[]{:T(128)S(6)} and(%get-tuple-element.186, %constant.222..sunk)
  %add.140 = u32[]{:T(128)} add(%get-tuple-element.186, %constant.226..sunk)
  %n = bf16[64,8]{1,0:T(8,128)(2,1)S(1)} negate(%part), backend_config={"estimated_cycles":"10"}
  ROOT %tuple.48 = (bf16[64,8]{1,0:T(8,128)(2,1)S(1)}, u32[]{:T(128)}) tuple(%n, %add.140)
}

%wide.windowed_dot_general_cond_rs.clone (p: (bf16[64,8], u32[])) -> pred[] {
  %constant.228 = u32[]{:T(128)} constant(16)
  %wide.param.7 = (bf16[64,8]{1,0:T(8,128)(2,1)S(1)}, u32[]{:T(128)}) parameter(0)
  %get-tuple-element.102 = u32[]{:T(128)} get-tuple-element(%wide.param.7), index=1
  ROOT %compare.8 = pred[]{:T(512)} compare(%get-tuple-element.102, %constant.228), direction=LT
}

ENTRY %main.0_spmd (x: bf16[64,8]) -> bf16[64,8] {
  %x = bf16[64,8]{1,0:T(8,128)(2,1)S(1)} parameter(0)
  %constant.78 = u32[]{:T(128)} constant(0)
  %copy.4 = u32[]{:T(128)} copy(%constant.78), backend_config={"estimated_cycles":"1"}
  %tuple.46 = (bf16[64,8]{1,0:T(8,128)(2,1)S(1)}, u32[]{:T(128)}) tuple(%x, %copy.4)
  %while.4 = (bf16[64,8]{1,0:T(8,128)(2,1)S(1)}, u32[]{:T(128)}) while(%tuple.46), condition=%wide.windowed_dot_general_cond_rs.clone, body=%wide.windowed_dot_general_body_rs.clone.sunk
  ROOT %y = bf16[64,8]{1,0:T(8,128)(2,1)S(1)} get-tuple-element(%while.4), index=0
}
"""  # noqa: E501


def test_a_product_over_a_ring_of_devices_is_counted_two_parts_at_a_time():
    cost = estimate(RING, mesh_of(4, 1, 2, 1), CHIP)
    assert cost.cycle_seconds * CHIP.clock == pytest.approx(8 * 10 + 1)


@pytest.mark.parametrize(
    "was, now",
    [
        ("direction=LT", "direction=NE"),
        ("%one = s32[] constant(1)", "%one = s32[] constant(0)"),
        ("%one = s32[] constant(1)", "%one = s32[] constant(-1)"),
        ("add(%i, %one)", "add(%i, %i)"),
        ("%first = s32[] constant(3)", "%first = s32[] copy(%x)"),
        ("tuple(%next, %n)", "tuple(%i, %n)"),
        (
            "%limit = s32[]{:T(128)} constant(20)",
            "%limit = s32[] get-tuple-element(%state), index=0",
        ),
    ],
)
def test_a_loop_of_any_other_form_is_an_error(was, now):
    assert was in COUNTED
    with pytest.raises(ValueError, match="unknown length"):
        estimate(COUNTED.replace(was, now), mesh_of(4, 1, 2, 1), CHIP)


@pytest.mark.parametrize(
    "text", ["", "HloModule x\n", KNOWN.replace("%k = f32[8]{0} add", "nonsense")]
)
def test_what_is_no_module_is_an_error(text):
    with pytest.raises(ValueError):
        hlo.read_program(text)


def test_products_are_counted_also_in_a_scan():
    a, b = jnp.zeros((2, 3, 4)), jnp.zeros((2, 4, 5))
    product = lambda a, b: jnp.einsum("bij,bjk->bik", a, b)  # noqa: E731
    assert matmul_flops(product, a, b) == 2 * 2 * 3 * 5 * 4

    def five_times(x):
        return jax.lax.scan(lambda x, _: (x @ x, None), x, length=5)[0]

    assert matmul_flops(jax.jit(five_times), jnp.zeros((6, 6))) == 5 * 2 * 6**3


def test_products_of_a_fusion_are_counted_from_its_text():
    compiled = jax.jit(lambda a, b: jnp.tanh(a @ b)).lower(*[jnp.zeros((8, 8))] * 2).compile()
    program = hlo.read_program(compiled.as_text())
    assert hlo.matrix_flops(program, program.entry) == 2 * 8**3


def test_a_planted_sum_over_languages_is_caught():
    mesh = mesh_of(4, 1, 2, 1)
    placed = NamedSharding(mesh, PartitionSpec("language", "fsdp"))
    x = jax.ShapeDtypeStruct((4, 8), jnp.float32, sharding=placed)

    def compiled(function):
        return jax.jit(function, out_shardings=placed).lower(x).compile().as_text()

    assert cross_language_bytes(compiled(lambda x: x - x.mean(1, keepdims=True)), mesh) == 0
    assert cross_language_bytes(compiled(lambda x: x - x.mean(0, keepdims=True)), mesh) > 0
