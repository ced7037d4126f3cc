"""What an evaluation found, as rows of a table."""

from __future__ import annotations

from collections.abc import Iterator

from wattrain_api.facts import units
from wattrain_api.facts.titled_rows import Row
from wattrain_api.status import Metrics


def metric_rows(split: str, found: Metrics | None) -> Iterator[Row]:
    """What an evaluation on `split` (`Test`, `Validation`) found, its loss last."""
    if found is None:
        return
    if found.accuracy is not None:
        yield f"{split} accuracy", f"{100 * found.accuracy:.1f} %"
    if found.balanced_accuracy is not None:
        yield f"{split} balanced accuracy", f"{100 * found.balanced_accuracy:.1f} %"
    if found.f1 is not None:
        yield f"{split} F1, mean of the classes", f"{found.f1:.4f}"
    if found.roc_auc is not None:
        yield f"{split} ROC AUC", f"{found.roc_auc:.4f}"
    if found.r2 is not None:
        yield f"{split} R2", f"{found.r2:.4f}"
    if found.bits_per_byte is not None:
        yield f"{split} bits per byte", f"{found.bits_per_byte:.4f}"
    if found.perplexity is not None:
        yield f"{split} perplexity", units.number(found.perplexity)
    for name, share in (("masked", found.masked_accuracy), ("next sentence", found.next_sentence_accuracy)):
        if share is not None:
            yield f"{split} {name} accuracy", f"{100 * share:.1f} %"
    for name, share in (("recall", found.recall_at_10), ("NDCG", found.ndcg_at_10)):
        if share is not None:
            yield f"{split} {name} at 10", f"{share:.4f}"
    for name, error in (("mean absolute error", found.mae), ("mean squared error", found.mse)):
        if error is not None:
            yield f"{split} {name}", units.number(error)
    if found.shown_loss is not None:
        yield f"{split} loss", units.number(found.shown_loss)
