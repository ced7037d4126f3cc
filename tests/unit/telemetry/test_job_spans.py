"""Spans of a job that lives in the simulated world: what ended, when, within what, and with how many joules."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from harness.simulated_life import life_of

from wattrain_api.status import OpenPhase, TrainingJobStatus
from wattrain_operator.telemetry import job_spans
from wattrain_operator.telemetry.job_spans import ended_spans


@pytest.fixture(scope="module")
def life():
    """A worker is killed in the first attempt, and the second one completes."""
    return life_of(kills=1)


@pytest.fixture(scope="module")
def spans(life):
    return [span for before, after in life.written for span in ended_spans(life.job, before, after)]


def test_they_are_one_trace_with_one_root_and_ids_of_their_own(life, spans):
    assert len({span.trace_id for span in spans}) == 1
    assert len({span.span_id for span in spans}) == len(spans)
    [root] = [span for span in spans if span.parent_id is None]
    assert root is spans[-1]
    assert {span.parent_id for span in spans if span is not root} <= {span.span_id for span in spans}


def test_children_lie_within_their_parents(spans):
    by_id = {span.span_id: span for span in spans}
    for span in spans:
        parent = by_id.get(span.parent_id, span)
        assert parent.start <= span.start <= span.end <= parent.end, (span, parent)
        assert all(span.start <= event.time <= span.end for event in span.events)


def test_states_follow_one_another_without_a_gap(life, spans):
    states = [span for span in spans if "wattrain.state" in span.attributes]
    assert [a.end for a in states[:-1]] == [b.start for b in states[1:]]
    assert states[-1].end == life.written[-1][1].completion_time
    assert [span.name for span in states].count("Running") == 2


def test_joules_of_all_states_are_those_of_the_job(life, spans):
    joules = [span.attributes["wattrain.energy.joules"] for span in spans if "wattrain.state" in span.attributes]
    assert sum(joules) == pytest.approx(life.written[-1][1].energy.joules)
    assert sum(each > 0 for each in joules) >= 2
    assert spans[-1].attributes["wattrain.energy.joules"] == life.written[-1][1].energy.joules


def test_the_attempt_that_failed_says_why_and_the_next_one_links_to_it(spans):
    first, second = [span for span in spans if span.name.startswith("attempt")]
    assert first.failure == first.attributes["wattrain.reason"] == "Killed"
    assert (second.failure, second.link_id) == ("", first.span_id)
    assert first.end == second.start
    assert next(span.name for span in spans if span.parent_id == second.span_id) == "Restarting"
    assert [event.name for event in first.events] == ["restart"]


def test_whoever_finds_the_same_end_again_makes_the_same_spans(life, spans):
    again = [
        span
        for before, after in life.written
        for span in ended_spans(
            life.job, _read_again(before), _read_again(after)
        )
    ]  # fmt: skip
    assert again == spans


def _read_again(status):
    return TrainingJobStatus.from_json_object(status.to_json_object())


def test_a_write_of_figures_alone_ends_nothing(life):
    status = life.written[-1][1]
    assert ended_spans(life.job, status, replace(status, steps_done=9)) == []


def test_joules_that_were_not_noted_are_left_out(life):
    before, after = next(pair for pair in life.written if pair[0].state == "Running" != pair[1].state)
    old = before.internal.open_phase
    before = replace(before, internal=replace(before.internal, open_phase=OpenPhase(old.phase, old.since, old.before)))
    [state, *_] = ended_spans(life.job, before, after)
    assert "wattrain.energy.joules" not in state.attributes


def test_the_trace_is_found_by_the_uid_of_the_job():
    uid = "3f2b0c9e-8f5e-4f6b-9a43-0d7f0c5e1a2b"
    assert f"{job_spans.trace_id(uid):032x}" == uid.replace("-", "")
    assert 0 < job_spans.trace_id("uid") < 2**128


def test_a_job_that_failed_before_its_first_attempt_is_a_trace_too(life):
    at = datetime(2026, 11, 29, tzinfo=UTC)
    before = TrainingJobStatus(internal=replace(life.written[0][1].internal, open_phase=OpenPhase("Pending", at)))
    after = replace(
        before, state="Failed", reason="NotSupported", message="x: not done", completion_time=at,
        conditions=tuple(
            replace(c, status="True" if c.type == "Failed" else "False") for c in life.written[-1][1].conditions
        ),
        internal=replace(before.internal, open_phase=OpenPhase("Failed", at, "Pending", 0.0)),
    )  # fmt: skip
    names = [(span.name, span.failure) for span in ended_spans(life.job, before, after)]
    assert names == [("Pending", ""), ("TrainingJob job", "NotSupported: x: not done")]
