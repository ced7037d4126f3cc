"""The power model: its formula, the estimate before a start, and the page that shows its constants."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattrain_api import power_model
from wattrain_api.power_model import cpu_watts, estimate_worker_watts, memory_watts


def test_the_formula_gives_the_figures_of_its_source():
    assert cpu_watts(2, 0.0).mid == pytest.approx(1.48)
    assert cpu_watts(2, 2.0).mid == pytest.approx(7.0)
    assert cpu_watts(2, 1.0).mid == pytest.approx(4.24)
    assert memory_watts(23.5e9, 2).mid == pytest.approx(6.076)


def test_low_and_high_have_constants_of_their_own():
    assert cpu_watts(2, 1.0, most_idle_cpus=4) == pytest.approx((1.27, 2 * 0.74 + 2.76, 4 * 1.67 + 6.09))
    assert memory_watts(8e9, 2) == pytest.approx((0.0, 0.0, 10 + 8 * 0.625))


def test_what_is_used_beyond_the_share_of_the_machine_costs_as_much():
    assert cpu_watts(0.1, 3.0).mid - cpu_watts(0.1, 2.0).mid == pytest.approx(2.76)


def test_a_worker_is_estimated_from_its_cpus_and_memory():
    low, mid, high = estimate_worker_watts(cpus=2, memory_bytes=10e9)
    assert low == 0
    assert mid == pytest.approx(2 * (0.74 + 0.5 * 2.76) + 2 * 0.392)
    assert high == pytest.approx(2 * (1.67 + 6.09) + 10 + 10 * 0.625)


def test_gpus_add_their_limit_at_most_and_their_idling_at_least():
    without = estimate_worker_watts(cpus=8, memory_bytes=0)
    low, mid, high = (a - b for a, b in zip(estimate_worker_watts(8, 0, [700.0, 300.0]), without, strict=True))
    assert (low, mid, high) == pytest.approx((115, 700, 1000))


cpus = st.floats(0.01, 1000)
memory = st.floats(0, 1e13)


@given(cpus=cpus, memory_bytes=memory, utilization=st.floats(0, 1), limits=st.lists(st.floats(1, 2000), max_size=8))
def test_what_the_model_counts_later_lies_within_the_estimate(cpus, memory_bytes, utilization, limits):
    estimate = estimate_worker_watts(cpus, memory_bytes, limits)
    assert estimate.low <= estimate.mid <= estimate.high
    counted = [
        sum(parts) for parts in zip(cpu_watts(cpus, utilization * cpus), memory_watts(memory_bytes, cpus), strict=True)
    ]
    alone = estimate_worker_watts(cpus, memory_bytes)
    assert alone.low <= counted[0] * (1 + 1e-9)
    assert counted[2] <= alone.high * (1 + 1e-9)


def test_the_page_for_users_shows_every_constant_with_its_value(pytestconfig):
    rows = [
        line for line in (pytestconfig.rootpath / "docs/energy.md").read_text().splitlines() if line.startswith("| `")
    ]
    shown = {m[1]: float(m[2]) for row in rows if (m := re.match(r"\| `(\w+)` \| ([0-9.]+) ", row))}
    assert shown == {name: value for name, value in vars(power_model).items() if name.isupper()}
