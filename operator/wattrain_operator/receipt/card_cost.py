"""What a model card tells of the energy, carbon and cost of its training. Pure."""

from __future__ import annotations

import json

from wattrain_api.facts.markdown_tables import markdown_rows
from wattrain_operator.receipt.contents import CarbonFacts, Receipt
from wattrain_operator.receipt.rows import cost_table


def card_cost(receipt: Receipt) -> tuple[str, str]:
    """The text of the card's part, and Hugging Face's `co2_eq_emissions` as JSON, empty where no carbon is known."""
    table = cost_table(receipt)
    gaps = "".join(f"\n\nNot counted: {gap.component}, {gap.reason}" for gap in receipt.energy.incomplete)
    text = markdown_rows(table.columns, table.rows) + gaps
    return text, "" if receipt.carbon is None else json.dumps(_emissions(receipt, receipt.carbon), ensure_ascii=False)


def _emissions(receipt: Receipt, carbon: CarbonFacts) -> dict[str, object]:
    """In grams, as Hugging Face counts them."""
    bounds = f"{carbon.low_grams:.3g} to {carbon.high_grams:.3g} g"
    return {
        "emissions": float(f"{carbon.grams:.4g}"),
        "source": f"Wattrain: energy {receipt.energy.provenance}, {bounds}; {carbon.basis}, {carbon.source}",
        "training_type": "fine-tuning" if _begins_with_a_model(receipt) else "pre-training",
        "geographical_location": carbon.zone,
    }


def _begins_with_a_model(receipt: Receipt) -> bool:
    training = receipt.spec.get("training")
    return isinstance(training, dict) and "initialModel" in training
