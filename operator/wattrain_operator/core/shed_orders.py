"""What a job does while its power domain sheds power: where it is to pause, it is held until that is over."""

from __future__ import annotations

from wattrain_api import reasons
from wattrain_api.status import Hold
from wattrain_operator.core import holding
from wattrain_operator.core.conditions import is_finished
from wattrain_operator.core.draft import Draft


def obey(draft: Draft) -> None:
    """Hold the job where it is to pause, and let it go on where it is not any more."""
    shed = draft.seen.grant.shed
    if shed is not None and shed.most_watts == 0 and not is_finished(draft.status):
        holding.put(draft, Hold(reasons.SHEDDING, shed.why, "that is over"))
    else:
        holding.lift(draft, reasons.SHEDDING)
