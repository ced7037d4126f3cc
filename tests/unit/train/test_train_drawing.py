"""Random numbers of samples."""

from __future__ import annotations

import torch

from wattrain_worker.train.recipes.drawing import uniform
from wattrain_worker.train.recipes.recipe_protocol import Draw


def test_what_a_sample_draws_depends_on_seed_step_and_its_number_alone() -> None:
    whole = uniform(Draw(7, 3), torch.arange(1000), 4)
    picked = torch.tensor([999, 0, 500, 500])
    assert torch.equal(uniform(Draw(7, 3), picked, 4), whole[picked])
    assert torch.equal(uniform(Draw(7, 3), picked, 2), whole[picked, :2])
    others = [uniform(draw, torch.arange(1000), 4) for draw in (Draw(8, 3), Draw(7, 4), Draw(0, 0), Draw(3, 7))]
    for other in others:
        assert (other == whole).float().mean() < 0.001


def test_what_is_drawn_is_evenly_spread_and_independent_over_samples_steps_and_numbers() -> None:
    drawn = torch.stack([uniform(Draw(1, step), torch.arange(200), 5) for step in range(100)])  # 100,000 numbers
    assert drawn.dtype == torch.float32
    assert 0 <= float(drawn.min()) < 1e-4
    assert 0.9999 < float(drawn.max()) < 1
    counts = torch.histc(drawn, 20, 0, 1)
    assert float(((counts - 5000) ** 2 / 5000).sum()) < 50  # chi square of 19 degrees: beyond 50 in 1 of 8,000 cases
    for first, second in (
        (drawn[:, :, 0], drawn[:, :, 1]),
        (drawn[1:], drawn[:-1]),
        (drawn[:, 1:], drawn[:, :-1]),
    ):
        correlation = torch.corrcoef(torch.stack([first.flatten(), second.flatten()]))[0, 1]
        assert abs(float(correlation)) < 5 / first.numel() ** 0.5
