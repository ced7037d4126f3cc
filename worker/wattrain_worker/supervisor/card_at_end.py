"""What worker 0's supervisor adds to the model card when all workers have ended: what their meters have come to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from wattrain_api import names
from wattrain_api.atomic_file import write_atomically
from wattrain_api.contract.progress import GroupProgress
from wattrain_api.facts.card_energy import FILE_CARD, metered_energy, with_energy
from wattrain_worker.supervisor.config import Config
from wattrain_worker.supervisor.log_notices import say


def complete_card(environ: Mapping[str, str], config: Config, group: GroupProgress) -> None:
    """Put the energy of `group`, and of what the job used before it, into the card that rank 0 has written. Where there
    is none there is nothing to tell; one that cannot be written goes on to say that the energy is not known."""
    directory = environ.get(names.ENV_MODEL_DIR)
    if not directory or config.command:
        return
    path = Path(directory) / FILE_CARD
    before = (config.joules_before, config.joules_low_before, config.joules_high_before)
    try:
        card = path.read_text(encoding="utf-8")
        write_atomically(path, with_energy(card, metered_energy(group.energy, before, group.uncounted)).encode())
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError) as error:
        say(f"{path} cannot be completed ({error}): it does not tell the energy; the receipt of the job does")
