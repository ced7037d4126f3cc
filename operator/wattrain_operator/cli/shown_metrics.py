"""Which metrics of an evaluation a line has room for: the usual one of the task, and what the job watches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from wattrain_api.contract.progress import Evaluation
from wattrain_api.status import Metrics
from wattrain_api.training import EvaluationMetric

_Found = Metrics | Evaluation


class _Shown(NamedTuple):
    words: str
    value: Callable[[_Found], float | None]
    is_share: bool = True
    """Four places; else four digits."""


_METRICS: Final[dict[EvaluationMetric, _Shown]] = {
    "accuracy": _Shown("accuracy", lambda found: found.accuracy),
    "balancedAccuracy": _Shown("balanced accuracy", lambda found: found.balanced_accuracy),
    "f1": _Shown("F1", lambda found: found.f1),
    "rocAuc": _Shown("ROC AUC", lambda found: found.roc_auc),
    "r2": _Shown("r2", lambda found: found.r2),
    "bitsPerByte": _Shown("bits per byte", lambda found: found.bits_per_byte),
    "perplexity": _Shown("perplexity", lambda found: found.perplexity, is_share=False),
    "maskedAccuracy": _Shown("masked accuracy", lambda found: found.masked_accuracy),
    "nextSentenceAccuracy": _Shown("next sentence accuracy", lambda found: found.next_sentence_accuracy),
    "recallAt10": _Shown("recall at 10", lambda found: found.recall_at_10),
    "ndcgAt10": _Shown("NDCG at 10", lambda found: found.ndcg_at_10),
    "mae": _Shown("mae", lambda found: found.mae, is_share=False),
    "mse": _Shown("mse", lambda found: found.mse, is_share=False),
}
"""Without the loss, which is shown anyway."""
_IF_WATCHED: Final = ("balancedAccuracy", "f1", "rocAuc", "perplexity")
_IN_A_LINE: Final = ("accuracy", "r2", "bitsPerByte", "maskedAccuracy", "recallAt10")


def metrics(found: _Found, watched: EvaluationMetric | None = None) -> list[str]:
    """`accuracy 0.9833`, or `r2 0.8712`, `mae 4.2` and `mse 31`: what an evaluation has beside its loss, the `watched`
    metric first."""
    names = [name for name in _METRICS if name not in _IF_WATCHED]
    told = [_told(found, name, places=4) for name in _watched_first(names, watched)]
    return [text for text in told if text]


def metrics_in_a_line(found: _Found, watched: EvaluationMetric | None = None) -> list[str]:
    """The same where there is little room: three places, and one metric beside the watched one."""
    if watched == "loss" and found.loss is not None:
        return [f"loss {found.loss:.4g}", *metrics_in_a_line(found)]
    told = [_told(found, name, places=3) for name in _watched_first(list(_IN_A_LINE), watched)]
    return [text for text in told if text]


def _watched_first(names: list[EvaluationMetric], watched: EvaluationMetric | None) -> list[EvaluationMetric]:
    return list(dict.fromkeys([watched, *names])) if watched is not None and watched in _METRICS else names


def _told(found: _Found, name: EvaluationMetric, places: int) -> str:
    shown = _METRICS[name]
    value = shown.value(found)
    if value is None:
        return ""
    return f"{shown.words} {value:.{places}f}" if shown.is_share else f"{shown.words} {value:.4g}"
