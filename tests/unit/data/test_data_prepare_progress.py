"""What a preparation tells of itself while it goes on."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from wattrain_worker.data import prepare_progress, prepare_table
from wattrain_worker.data.prepare_progress import SampleCounter

Told = list[dict[str, Any]]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    """What is reported, in order."""
    found: Told = []
    monkeypatch.setattr(prepare_progress, "report", lambda prepared: found.append(prepared))
    return found


@pytest.fixture
def reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare_progress, "_SECONDS_BETWEEN", 0.0)


def test_samples_are_told_twice_a_second_and_at_the_end(told: Told) -> None:
    now = [10.0]
    counter = SampleCounter("reading", 100, lambda: now[0])
    for second in np.arange(10.0, 12.0, 0.125):
        now[0] = float(second)
        counter.add(5)
    counter.end()
    assert [(each["samples"], each["total"]) for each in told] == [(25, 100), (45, 100), (65, 100), (80, 80)]
    assert [each["samplesPerSecond"] for each in told] == pytest.approx([50.0, 45.0, 65 / 1.5, 80 / 1.875])


def test_a_total_that_is_not_known_is_told_at_the_end_alone(told: Told) -> None:
    counter = SampleCounter("reading", clock=iter([0.0, 1.0, 1.0]).__next__)
    assert list(counter.through("a")) == ["a"]
    counter.end()
    assert told == [
        {"stage": "reading", "samples": 1, "samplesPerSecond": 1.0},
        {"stage": "reading", "samples": 1, "total": 1, "samplesPerSecond": 1.0},
    ]


def _through(told: Told, stage: str) -> list[tuple[int, int | None]]:
    return [(each["samples"], each.get("total")) for each in told if each["stage"] == stage]


@pytest.mark.usefixtures("reported_at_once")
def test_the_rows_of_a_large_file_are_counted_as_they_are_read_and_written(
    bench: Any, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare_table, "MOST_HELD_BYTES", 1024)
    random, rows = np.random.default_rng(3), 10_000
    path = bench.folder / "rows.csv"
    pl.DataFrame({"x": random.normal(size=rows), "y": random.integers(0, 2, rows)}).write_csv(path)
    bench.prepare(path, label="y")
    assert _through(told, "reading") == [(rows, None), (rows, rows)]
    written = _through(told, "writing")
    assert len(written) >= 5  # blocks of rows, of three splits
    assert {total for _, total in written} == {rows}
    assert [samples for samples, _ in written] == sorted(samples for samples, _ in written)
    assert written[-1] == (rows, rows)


@pytest.mark.usefixtures("reported_at_once")
def test_pictures_are_counted_as_they_are_decoded(bench: Any, told: Told) -> None:
    for number in range(40):
        file = bench.folder / "pictures" / ("ant", "bee")[number % 2] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (36, 40, 3), np.uint8)
        content = io.BytesIO()
        Image.fromarray(pixels).save(content, "PNG")
        file.write_bytes(content.getvalue())
    bench.prepare(bench.folder / "pictures", recipe={"name": "resnet"}, image={"size": 32})
    steps = [(number, 40) for number in range(1, 41)]
    assert _through(told, "reading") == [*steps, (40, 40)]
    assert _through(told, "writing") == [*steps, (40, 40)]


@pytest.mark.usefixtures("reported_at_once")
@pytest.mark.parametrize("recipe", ["gpt", "bert", "bert-classifier"])
def test_texts_are_counted_as_they_are_read_and_encoded(bench: Any, told: Told, recipe: str) -> None:
    path = bench.folder / "texts.jsonl"
    lines = [{"text": f"Sentence {n} is one. Sentence {n + 1} is two.\\n\\nIt ends.", "kind": n % 2} for n in range(60)]
    path.write_text("\n".join(map(json.dumps, lines)))
    of_recipe: dict[str, Any] = {"label": "kind"} if recipe == "bert-classifier" else {}
    bench.prepare(path, recipe={"name": recipe}, text={"vocabularySize": 300, "sequenceLength": 16}, **of_recipe)
    assert _through(told, "reading")[-2:] == [(60, None), (60, 60)]
    assert _through(told, "writing")[-1] == (60, 60)
    assert len(_through(told, "writing")) == 61
