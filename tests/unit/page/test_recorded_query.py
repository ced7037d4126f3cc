"""The few queries that the records of a run answer."""

import pytest

from wattrain_operator.dashboard.recorded_query import NeedsPrometheusError, RecordedSeries, evaluate, read_query

A = RecordedSeries({"job": "a", "source": "model"}, [(float(t), 2.0 * t) for t in range(11)])
B = RecordedSeries({"job": "b", "source": "nvml"}, [(0.0, 1.0), (5.0, 0.0), (10.0, 5.0)])
SUMMED = RecordedSeries({"job": "c"}, [(0.0, 0.0), (10.0, 30.0)], frozenset({"component"}))
SERIES = {"watts": [A, B], "joules": [SUMMED]}


def asked(text, moments=(10.0,)):
    curves = evaluate(read_query(text), moments, lambda name: SERIES.get(name, []))
    return [(curve.labels, list(curve.values)) for curve in curves]


@pytest.mark.parametrize(("text", "expected"), [
    ('watts{job="a"}', [({"job": "a", "source": "model"}, [20.0])]),
    ('watts{job=~"a|x",source!="nvml"}', [({"job": "a", "source": "model"}, [20.0])]),
    ('watts{job!~"a"}', [({"job": "b", "source": "nvml"}, [5.0])]),
    ('watts{cluster=~".*",job="b"}', [({"job": "b", "source": "nvml"}, [5.0])]),
    ('watts{job="no"}', []),
    ("unknown", []),
    ("sum(watts)", [({}, [25.0])]),
    ("max by (cluster, job) (watts)", [({"job": "a"}, [20.0]), ({"job": "b"}, [5.0])]),
    ("sum(watts) by (source)", [({"source": "model"}, [20.0]), ({"source": "nvml"}, [5.0])]),
    ("sum by (x) (max by (job) (watts))", [({}, [25.0])]),
    ("min(watts) * 1000", [({}, [5000.0])]),
    ('rate(watts{job="a"}[4s])', [({"job": "a", "source": "model"}, [2.0])]),
    ('avg(increase(watts{job="a"}[4s]))', [({}, [8.0])]),
    ('rate(watts{job="b"}[10s])', [({"job": "b", "source": "nvml"}, [0.5])]),  # a counter that starts anew
    ("sum by (job) (rate(joules[10s]))", [({"job": "c"}, [3.0])]),
])  # fmt: skip
def test_simple_queries_are_answered(text, expected):
    assert asked(text) == expected


@pytest.mark.parametrize("text", [
    "", "1", "a + b", "a / b", "histogram_quantile(0.9, rate(a[1m]))", "a == 1", "a offset 5m", "rate(a)",
    "rate(a[1m:5s])", "topk(3, a)", "a or b", "a{", 'a{b="c"', "a{b=c}", "sum(a", "sum by a (b)", "sum by (a b", "a b",
    "a[5m]",
    "a * b", "-a", "rate(sum(a)[5m])", "count(a)", "sum without (a) (b)", "a @ 3", "time()",
])  # fmt: skip
def test_everything_else_needs_a_prometheus(text):
    with pytest.raises(NeedsPrometheusError):
        read_query(text)


def test_a_value_holds_for_a_minute_and_no_longer():
    assert asked('watts{job="b"}', (-1.0, 0.0, 4.9, 5.0, 69.9, 70.1)) == [
        ({"job": "b", "source": "nvml"}, [None, 1.0, 1.0, 0.0, 5.0, None])
    ]


def test_what_was_recorded_as_a_sum_is_not_taken_apart():
    for text in ("max by (component) (joules)", 'joules{component="cpu"}', 'sum(rate(joules{component!=""}[1m]))'):
        with pytest.raises(NeedsPrometheusError, match="a run records joules summed up over component"):
            asked(text)
