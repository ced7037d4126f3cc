"""Numbers, curves and plots of a receipt, without any run."""

import base64
import hashlib
import json
import re
from html import unescape
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattrain_api.contract.codec import decode
from wattrain_api.contract.recorded_step import RecordedStep
from wattrain_api.facts import units
from wattrain_api.recorded_steps import RecordedSteps
from wattrain_operator.dashboard.shipped import drawing_code
from wattrain_operator.receipt.curves import MAX_POINTS, Curves, curves, thin
from wattrain_operator.receipt.plotted import Plotted, PlottedLine, losses, power


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


def power_of(*samples):
    return curves_of(
        *(
            {"step": 1, "time": time, "watts": 3.0, "attempt": attempt, "generation": generation, "joules": joules}
            for time, attempt, generation, joules in samples
        )
    )


def test_power_is_not_drawn_across_a_restart_or_the_time_in_which_nothing_ran():
    found = power_of(
        (0, 1, 0, 10), (1, 1, 0, 13), (2, 1, 1, 20), (3, 1, 1, 23), (4, 2, 1, 30), (60, 2, 1, 90), (61, 2, 1, 94)
    )
    assert [[time for time, _ in part] for part in found.power] == [[0, 1], [2, 3], [4], [60, 61]]
    assert found.power_joules == 3 + 3 + 0 + 4


def test_a_training_that_records_every_ten_seconds_has_no_gaps_but_long_ones():
    found = power_of(*((10.0 * i, 1, 0, i) for i in range(5)), (200.0, 1, 0, 9), (210.0, 1, 0, 10))
    assert [len(part) for part in found.power] == [5, 2]


def test_many_stretches_are_thinned_together():
    found = power_of(*((0.1 * i, 1, i // 1000, i) for i in range(5000)))
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


def test_losses_share_the_steps_at_which_one_of_them_is_known():
    plot = losses(((1, 2.0), (2, 1.0), (3, 0.5)), ((2, 1.5),))
    assert plot is not None
    assert (plot.x, dict(plot.scale)) == ((1, 2, 3), {"logarithmic": True})
    assert [(line.name, line.values) for line in plot.lines] == [
        ("training", (2.0, 1.0, 0.5)), ("validation", (None, 1.5, None)),
    ]  # fmt: skip


def test_a_loss_of_zero_has_no_logarithm():
    plot = losses(((1, 2.0), (2, 0.0)), ())
    assert plot is not None
    assert dict(plot.scale) == {"logarithmic": False}
    assert [line.name for line in plot.lines] == ["training"]
    assert losses((), ()) is None


def test_power_and_its_bounds_are_cut_where_there_is_a_gap():
    plot = power("Power", [[(0, 1.0), (1, 1.0)], [(5, 2.0)]], (0.5, 2.0), modelled=True)
    assert (plot.x, plot.xName, plot.bands) == ((0, 1, 3.0, 5), "seconds", ((1, 2),))
    assert [(line.name, line.values) for line in plot.lines] == [
        ("power", (1.0, 1.0, None, 2.0)), ("at most", (2.0, 2.0, None, 4.0)), ("at least", (0.5, 0.5, None, 1.0)),
    ]  # fmt: skip
    assert all(line.modelled for line in plot.lines)


def test_a_long_run_is_drawn_in_minutes_and_measured_power_has_no_bounds():
    plot = power("Power", [[(0, 1.0), (600, 1.0)]], None, modelled=False)
    assert (plot.x, plot.xName, len(plot.lines), plot.bands) == ((0, 10), "minutes", 1, ())


def test_what_a_plot_shows_cannot_become_markup():
    plot = Plotted('a "b" <c>\'', "step", "none", (1,), (PlottedLine("</div>", (1 / 3,)),))
    text = plot.to_html()
    assert text.count("<") == text.count(">") == 2
    content = json.loads(unescape(text.removeprefix('<div class="plot" data-plot="').removesuffix('"></div>')))
    assert (content["title"], content["lines"][0]["values"]) == ('a "b" <c>\'', [0.333333])


def test_the_policy_of_a_receipt_allows_its_own_scripts_and_no_others():
    code = drawing_code()
    digest = base64.b64encode(hashlib.sha256(code.script.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in code.policy
    assert "script-src 'unsafe" not in code.policy and "'self'" not in code.policy  # noqa: PT018
    assert re.findall(r"^import\b|\bfetch\(|</script", code.library + "\n" + code.script, re.MULTILINE) == []
