"""Numbers, curves and plots of a receipt, without any run."""

import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattrain_api.contract.codec import decode
from wattrain_api.contract.recorded_step import RecordedStep
from wattrain_operator.local.recorded_steps import RecordedSteps
from wattrain_operator.receipt import units
from wattrain_operator.receipt.curves import MAX_POINTS, Curves, curves, thin
from wattrain_operator.receipt.plot import Band, Line, log_ticks, plot, ticks


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (units.joules(44.04), "44.0 J"),
        (units.joules(0), "0 mJ"),
        (units.joules(1234), "1.23 kJ"),
        (units.joules(359_000), "359 kJ"),
        (units.joules(3.6e6), "1.00 kWh"),
        (units.joules(44.0, 15.4, 96.8), "44.0 J (15.4 to 96.8 J)"),
        (units.joules(44.0, 44.0, 44.0), "44.0 J"),
        (units.grams(0.0058), "5.80 mg"),
        (units.grams(12.34), "12.3 g"),
        (units.grams(45_678), "45.7 kg"),
        (units.money(0.0000123, "EUR"), "0.0000123 EUR"),
        (units.money(1234.5, "EUR", 1000, 2000), "1,230 EUR (1,000 to 2,000 EUR)"),
        (units.seconds(4.25), "4.25 s"),
        (units.seconds(187), "3 min 07 s"),
        (units.seconds(7500), "2 h 05 min"),
        (units.seconds(None), "not finished"),
        (units.number(9.999), "10.00"),
    ],
)
def test_numbers_have_three_digits_and_a_fitting_unit(shown, expected):
    assert shown == expected


def test_where_a_figure_comes_from_is_said_in_words():
    assert [units.provenance(r) for r in (0.0, 0.37, 1.0, None)] == [
        "modelled",
        "37 % measured, 63 % modelled",
        "measured",
        "incomplete",
    ]


@pytest.mark.parametrize("ratio", [0.0001, 0.9999])
def test_a_little_of_the_other_kind_is_not_rounded_away(ratio):
    assert "%" in units.provenance(ratio)


def curves_of(*records):
    return curves(decode(RecordedStep, record) for record in records)


def test_a_repeated_step_replaces_what_was_done_before_the_restart():
    found = curves_of(*({"step": s, "loss": v} for s, v in [(1, 3.0), (2, 2.0), (3, 9.0), (2, 1.5), (3, 1.0)]))
    assert found.loss == ((1, 3.0), (2, 1.5), (3, 1.0))


def test_power_keeps_repeated_steps_and_counts_time_from_the_first_line():
    found = curves_of({"step": 5, "time": 100.0, "watts": 3.0}, {"step": 4, "time": 102.5, "watts": 4.0})
    assert found.power == (((0.0, 3.0), (2.5, 4.0)),)


def power(*samples):
    return curves_of(
        *(
            {"step": 1, "time": time, "watts": 3.0, "attempt": attempt, "generation": generation, "joules": joules}
            for time, attempt, generation, joules in samples
        )
    )


def test_power_is_not_drawn_across_a_restart_or_the_time_in_which_nothing_ran():
    found = power(
        (0, 1, 0, 10), (1, 1, 0, 13), (2, 1, 1, 20), (3, 1, 1, 23), (4, 2, 1, 30), (60, 2, 1, 90), (61, 2, 1, 94)
    )
    assert [[time for time, _ in part] for part in found.power] == [[0, 1], [2, 3], [4], [60, 61]]
    assert found.power_joules == 3 + 3 + 0 + 4


def test_a_training_that_records_every_ten_seconds_has_no_gaps_but_long_ones():
    found = power(*((10.0 * i, 1, 0, i) for i in range(5)), (200.0, 1, 0, 9), (210.0, 1, 0, 10))
    assert [len(part) for part in found.power] == [5, 2]


def test_many_stretches_are_thinned_together():
    found = power(*((0.1 * i, 1, i // 1000, i) for i in range(5000)))
    assert len(found.power) == 5
    assert sum(map(len, found.power)) <= MAX_POINTS + 2 * 5
    assert found.power[2][0][0] == pytest.approx(200.0)


def test_torn_lines_and_numbers_that_are_none_are_left_out(tmp_path):
    bad = ['{"step": 1, "lo', "[]", "7", '{"loss": 2}', '{"step": 1, "loss": NaN}', '{"step": 2, "loss": "x"}']
    file = tmp_path / "metrics.jsonl"
    file.write_text("\n".join([*bad, '{"step": 3, "loss": 1}', ""]))
    assert curves(RecordedSteps(file).read_on()).loss == ((3, 1.0),)


def test_a_file_that_is_missing_has_no_curves(tmp_path):
    assert curves(RecordedSteps(tmp_path / "metrics.jsonl").read_on()) == Curves()


def test_validation_is_found_where_a_line_has_it():
    assert curves_of({"step": 9, "loss": 1, "validation": {"step": 8, "loss": 0.5}}).validation == ((8, 0.5),)


@given(st.integers(0, 5000))
def test_thinning_keeps_the_ends_and_the_mean_in_bounds(count):
    points = [(float(i), float(i % 7)) for i in range(count)]
    thinned = thin(points)
    assert len(thinned) == min(count, len(thinned)) <= MAX_POINTS
    if points:
        assert (thinned[0], thinned[-1]) == (points[0], points[-1])
    assert all(a[0] < b[0] for a, b in pairwise(thinned))


@given(st.floats(-12, 9), st.floats(1e-3, 20))
def test_logarithmic_ticks_are_few_ascending_and_inside(low, span):
    found = log_ticks(low, low + span)
    assert 2 <= len(found) <= 6
    assert found == sorted(found)
    assert 10**low * (1 - 1e-6) <= found[0] <= found[-1] <= 10 ** (low + span) * (1 + 1e-6)


def test_a_line_and_its_band_are_cut_where_there_is_a_gap():
    svg = plot("T", "x", [Line("l", [[(0, 1.0), (1, 1.0)], [(5, 2.0), (6, 2.0)], [(9, 1.0)]], "a")], Band(0.5, 2.0))
    assert (svg.count("<polyline"), svg.count("<polygon"), svg.count("<circle")) == (2, 3, 1)


def test_equal_steps_of_a_logarithmic_axis_are_equal_factors():
    svg = plot("T", "x", [Line("l", [[(0, 100.0), (1, 10.0), (2, 1.0)]], "a")], axis="logarithmic")
    [drawn] = re.findall(r'<polyline class="a" points="([^"]+)"', svg)
    high, middle, low = (float(pair.split(",")[1]) for pair in drawn.split())
    assert low - middle == pytest.approx(middle - high)
    assert {"1", "10", "100"} <= set(re.findall(r'class="tick y">([^<]+)<', svg))


number = st.floats(-1e9, 1e9, allow_nan=False)


@given(number, st.floats(1e-3, 1e9))
def test_ticks_are_few_ascending_and_inside(low, span):
    found = ticks(low, low + span)
    assert 2 <= len(found) <= 6
    assert found == sorted(found)
    assert low - 1e-6 * span <= found[0] <= found[-1] <= low + span + 1e-6 * span


@given(
    st.lists(st.tuples(number, number), min_size=1, max_size=20),
    st.sampled_from(("linear", "from zero", "logarithmic")),
    st.booleans(),
    st.integers(0, 19),
)
def test_every_plot_is_well_formed_and_stays_inside_of_its_frame(points, axis, banded, cut):
    points = [(x, abs(y) + (axis == "logarithmic") * 1e-12) for x, y in sorted(points)]
    stretches = [part for part in (points[:cut], points[cut:]) if part]
    svg = plot("T", "x", [Line("l", stretches, "a")], Band(0.35, 2.2) if banded else None, axis)
    root = ET.fromstring(svg)
    for element in root.iter():
        for pair in (element.get("points") or "").split():
            x, y = map(float, pair.split(","))
            assert 58 <= x <= 426
            assert 13.9 <= y <= 206.1


def test_the_description_of_a_plot_escapes_and_tells_the_ends():
    svg = plot('a "b" <c>', "x", [Line("training", [[(0, 2.0), (1, 0.5)]], "a")])
    assert re.search(r'aria-label="a &quot;b&quot; &lt;c&gt;: training from 2.00 to 0.500"', svg)
