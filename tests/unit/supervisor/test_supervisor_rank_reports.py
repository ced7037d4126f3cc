"""What is kept of the ranks' reports."""

from __future__ import annotations

import json
import math
from functools import partial

import pytest

from wattrain_api.contract.codec import encode
from wattrain_api.contract.phases import Phase
from wattrain_api.contract.progress import (
    Checkpoint,
    Evaluation,
    Notice,
    PrepareProgress,
    RankReport,
    Resumed,
    StepLoss,
    StepLosses,
)
from wattrain_api.contract.recorded_step import RecordedStep
from wattrain_worker.supervisor.rank_reports import RankReports
from wattrain_worker.supervisor.step_count import StepCount

STEPS = partial(StepCount, is_script=False, first_attempt=True)


@pytest.fixture
def records() -> list[RecordedStep]:
    return []


@pytest.fixture
def reports(records: list[RecordedStep]) -> RankReports:
    return RankReports(Phase.STARTING, 0, records.extend, STEPS(), lambda: 1000.0, lambda: 1000.0)


def test_shares_are_added_up_over_ranks_and_the_rest_is_the_first_ranks(
    reports: RankReports, records: list[RecordedStep]
) -> None:
    reports.ingest(RankReport(rank=1, step=9, loss=9.0, samples=10, data_wait_seconds=0.5))
    reports.ingest(RankReport(rank=0, step=3, epoch=1, loss=0.5, samples=20, learning_rate=0.1))
    reports.ingest(RankReport(rank=1, step=8, loss=8.0, samples=10))
    progress = reports.progress()
    assert (progress.step, progress.loss, progress.samples) == (3, 0.5, 40)
    assert progress.data_wait_seconds == 0.5
    assert records == [RecordedStep(step=3, epoch=1, loss=0.5, learning_rate=0.1)]


def test_a_report_of_several_steps_is_a_record_of_each_and_counts_them_all(
    reports: RankReports, records: list[RecordedStep]
) -> None:
    losses = StepLosses.of([StepLoss(step, 0, 1 / step, 0.1 * step) for step in (1, 2, 3)])
    reports.ingest(RankReport(validation=Evaluation(0, 2.0, 0.1)))
    reports.ingest(RankReport(step=4, epoch=1, steps=4, step_seconds=0.3, samples=40, losses=losses))
    progress = reports.progress()
    assert (progress.step, progress.steps_done, progress.loss, progress.learning_rate) == (4, 4, 1 / 3, 0.1 * 3)
    assert [(r.step, r.epoch, r.loss, r.learning_rate) for r in records] == [(s, 0, 1 / s, 0.1 * s) for s in (1, 2, 3)]
    assert [r.validation for r in records] == [Evaluation(0, 2.0, 0.1), None, None]
    assert progress.step_durations is not None
    assert (sum(progress.step_durations.counts), progress.step_durations.total) == (4, pytest.approx(1.2))


def test_the_first_loss_that_is_no_number_is_told_of_the_steps_of_a_report(reports: RankReports) -> None:
    losses = StepLosses.of([StepLoss(step, 0, 1.0 if step < 7 else math.nan, 0.1) for step in range(5, 10)])
    reports.ingest(RankReport(step=9, losses=losses))
    (notice,) = reports.progress().notices
    assert notice.message.startswith("the loss is NaN at step 7")


def test_where_torchrun_gives_the_numbers_the_lowest_rank_leads() -> None:
    reports = RankReports(Phase.STARTING, None, lambda _: None, STEPS())
    for rank, step in ((5, 1), (4, 2), (5, 3)):
        reports.ingest(RankReport(rank=rank, step=step))
    assert reports.progress().step == 2


def test_who_went_on_from_a_checkpoint_stands_at_its_step_before_the_next_one_is_done(reports: RankReports) -> None:
    reports.ingest(RankReport(resumed=Resumed(60)))
    reports.ingest(RankReport(phase=Phase.TRAINING))
    assert (reports.progress().phase, reports.progress().step) == (Phase.TRAINING, 60)


@pytest.mark.parametrize(
    ("report", "phase"),
    [
        (RankReport(step=1), Phase.TRAINING),
        (RankReport(step=0, loss=2.3), Phase.TRAINING),  # many count from 0
        (RankReport(step=0, total_steps=100), Phase.STARTING),  # it says what it is about to do
        (RankReport(epoch=1), Phase.STARTING),
        (RankReport(step=1, phase=Phase.COMPILING), Phase.COMPILING),
    ],
)
def test_a_step_ends_the_start_of_ranks_that_name_no_phase(
    reports: RankReports, report: RankReport, phase: Phase
) -> None:
    reports.ingest(report)
    assert reports.progress().phase == phase
    reports.set_phase(Phase.STOPPING)
    reports.ingest(RankReport(step=2, loss=1.0))
    assert reports.progress().phase == Phase.STOPPING


def test_a_commit_is_told_apart_and_kept_with_its_time(reports: RankReports) -> None:
    assert not reports.ingest(RankReport(step=3))
    assert reports.ingest(RankReport(checkpoint=Checkpoint(3, "p", blocked_seconds=0.5)))
    assert reports.ingest(RankReport(rank=1, checkpoint=Checkpoint(6, "q", blocked_seconds=0.25)))
    assert reports.progress().checkpoint == Checkpoint(6, "q", blocked_seconds=0.25, time=1000.0)
    assert reports.progress().checkpoint_blocked_seconds == 0.75


@pytest.mark.parametrize(
    "datagram",
    [
        b"", b"{", b"null", b"[1, 2]", b'"text"', b"\xff\xfe", b"[" * 100_000, b'{"rank": "0", "step": 5}',
        b'{"rank": -1, "step": 5}', b'{"rank": 0.5, "step": 5}', b'{"rank": true, "step": NaN}', b'{"step": -1}',
        b'{"step": "5"}', b'{"step": 1e400}', b'{"step": ' + b"9" * 400 + b"}", b'{"step": null}', b'{"step": [5]}',
        b'{"checkpoint": 5}', b'{"checkpoint": {"step": "x"}}', b'{"validation": [1]}', b'{"message": 5}',
        b'{"phase": {}}', b'{"samples": -5}', b'{"samples": "x", "dataWaitSeconds": Infinity}',
    ],
)  # fmt: skip
def test_garbage_changes_nothing(reports: RankReports, datagram: bytes) -> None:
    reports.ingest(RankReport(step=4, loss=0.5, samples=8))
    before = reports.progress()
    assert not reports.ingest_datagram(datagram)
    assert reports.progress() == before


def test_a_loss_that_is_no_number_is_told_as_it_is_and_noticed_once(
    reports: RankReports, records: list[RecordedStep]
) -> None:
    reports.ingest(RankReport(step=4, loss=0.5))
    reports.ingest_datagram(b'{"step": 5, "loss": NaN, "validation": {"step": 5, "loss": NaN, "accuracy": 0.5}}')
    reports.ingest_datagram(b'{"step": 6, "loss": -Infinity, "gradientNorm": Infinity}')
    reports.ingest_datagram(b'{"checkpoint": {"step": 5, "seconds": Infinity}}')
    progress = json.loads(json.dumps(encode(reports.progress()), allow_nan=False))
    assert (progress["loss"], progress["gradientNorm"]) == ("-Infinity", "Infinity")
    assert progress["validation"] == {"step": 5, "loss": "NaN", "accuracy": 0.5}
    assert progress["checkpoint"] == {"step": 5, "time": 1000.0}
    [notice] = progress["notices"]
    assert notice["reason"] == "NonFiniteLoss"
    assert notice["message"].startswith("the loss is NaN at step 5, and no number any more")
    assert [encode(record)["loss"] for record in records] == [0.5, "NaN", "-Infinity"]


def test_the_same_notice_is_kept_once_and_not_without_end(reports: RankReports) -> None:
    for number in (1, 1, *range(40)):
        reports.ingest(RankReport(notice=Notice("PatternDoesNotFit", f"number {number}")))
    reports.start_generation(Phase.STARTING)
    kept = [notice.message for notice in reports.progress().notices]
    assert kept == [f"number {n}" for n in (1, 0, *range(2, 16))]


def test_only_the_last_messages_are_kept(reports: RankReports) -> None:
    for number in range(50):
        reports.ingest_datagram(json.dumps({"message": f"{number}" + "x" * 5000}).encode())
    assert [m[:2] for m in reports.progress().messages] == [str(n) for n in range(30, 50)]
    assert all(len(m) == 1024 for m in reports.progress().messages)


def test_a_phase_that_is_none_changes_nothing(reports: RankReports) -> None:
    reports.ingest_datagram(b'{"phase": "training"}')
    reports.ingest_datagram(b'{"phase": "dancing", "step": 5}')
    assert (reports.progress().phase, reports.progress().step) == (Phase.TRAINING, 5)


def test_a_new_generation_forgets_from_where_the_old_one_went_on(reports: RankReports) -> None:
    reports.ingest(RankReport(step=5, resumed=Resumed(3), phase=Phase.TRAINING))
    reports.start_generation(Phase.STARTING)
    progress = reports.progress()
    assert progress.resumed is None
    assert (progress.step, progress.phase) == (5, Phase.STARTING)


def test_how_many_threads_new_ranks_have_is_not_known_until_they_say_so(reports: RankReports) -> None:
    reports.ingest(RankReport(threads=4, most_threads=4))
    reports.ingest(RankReport(threads=2))
    assert (reports.progress().threads, reports.progress().most_threads) == (2, 4)
    reports.start_generation(Phase.STARTING)
    assert (reports.progress().threads, reports.progress().most_threads) == (None, 4)


def test_ranks_that_began_anew_take_their_loss_and_later_results_back(reports: RankReports) -> None:
    reports.ingest(RankReport(step=30, loss=0.1, validation=Evaluation(step=20, loss=0.2)))
    reports.start_generation(Phase.STARTING)
    assert reports.progress().step == 30  # where they go on is not known yet
    reports.ingest(RankReport(step=25))
    progress = reports.progress()
    assert (progress.step, progress.loss, progress.validation) == (25, None, Evaluation(step=20, loss=0.2))
    reports.ingest(RankReport(step=1, loss=2.5))
    progress = reports.progress()
    assert (progress.step, progress.loss, progress.validation) == (1, 2.5, None)


def test_step_times_are_counted_by_bound(reports: RankReports) -> None:
    for seconds in (0.0005, 0.0006, 0.02, 100.0):
        reports.ingest(RankReport(step_seconds=seconds))
    durations = reports.progress().step_durations
    assert durations is not None
    counts = durations.counts
    assert (counts[0], counts[1], sum(counts), counts[-1]) == (1, 1, 4, 1)
    assert len(counts) == len(durations.bounds) + 1
    assert durations.total == pytest.approx(100.0211)


def test_an_evaluation_goes_with_the_next_recorded_step_once(reports: RankReports, records: list[RecordedStep]) -> None:
    reports.ingest(RankReport(rank=0, step=1, loss=0.5))
    reports.ingest(RankReport(rank=0, validation=Evaluation(1, 0.4)))
    reports.ingest(RankReport(rank=0, step=2, loss=0.3))
    reports.ingest(RankReport(rank=0, step=3, loss=0.2))
    assert [record.validation for record in records] == [None, Evaluation(1, 0.4), None]


@pytest.mark.parametrize("phase", [Phase.STARTING, Phase.STOPPING])
def test_how_far_a_preparation_is_counts_until_something_else_is_done(reports: RankReports, phase: Phase) -> None:
    reports.set_phase(Phase.PREPARING)
    told = b'{"rank": 0, "prepared": {"stage": "reading", "samples": 4, "total": 9, "samplesPerSecond": 2.5}}'
    reports.ingest_datagram(told)
    reports.ingest_datagram(b'{"rank": 0, "prepared": {"stage": "dreaming", "samples": 5}}')
    reports.ingest(RankReport(message="a warning"))
    assert reports.progress().prepared == PrepareProgress("reading", 4, 9, 2.5)
    reports.set_phase(phase)
    assert reports.progress().prepared is None


def test_a_preparation_that_is_done_has_prepared_all(reports: RankReports) -> None:
    reports.ingest(RankReport(phase=Phase.PREPARING, prepared=PrepareProgress("writing", 9, 9)))
    reports.set_phase(Phase.DONE)
    assert reports.progress().prepared == PrepareProgress("writing", 9, 9)
    reports.start_generation(Phase.STARTING)
    assert reports.progress().prepared is None


def test_losses_of_which_nobody_knows_the_step_are_no_records(
    reports: RankReports, records: list[RecordedStep]
) -> None:
    """A column has an item that makes no sense, which is left out of it."""
    report = {
        "rank": 0,
        "step": 9,
        "losses": {"step": [8, 9], "epoch": [0, 0], "loss": ["?", 0.5], "learningRate": [1, 1]},
    }
    reports.ingest_datagram(json.dumps(report).encode())
    assert (records, reports.progress().step) == ([], 9)
