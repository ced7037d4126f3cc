"""What a script of the user's own finds when it starts, and what is said where nothing is heard of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from wattrain_api import names, reasons
from wattrain_api.contract.phases import Phase
from wattrain_api.contract.progress import Notice, Progress
from wattrain_worker.supervisor.ranks import Ranks

SILENT_SECONDS: Final = 120.0
_SILENT: Final = Notice(
    reasons.NO_OUTPUT,
    f"the script has run for {SILENT_SECONDS:.0f} s without a line of output and without a step. Where its ranks wait "
    "for each other, script.command is neither what one rank runs, nor torchrun or accelerate launch: write one of "
    "these. Where it only takes long to load, all is well",
)


def make_directories(environ: Mapping[str, str]) -> Iterator[Notice]:
    """Make the directories that a script saves into; a notice for each that cannot be made."""
    for name in (names.ENV_CHECKPOINT_DIR, names.ENV_MODEL_DIR):
        path = environ.get(name)
        try:
            if path:
                Path(path).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            sentence = f"{name} is {path}, which cannot be made ({error.strerror}), so nothing can be saved there"
            yield Notice(reasons.STORAGE_UNAVAILABLE, f"{sentence}; make the storage of the job writable for its user")


def notice_of_silence(ranks: Ranks, progress: Progress) -> Notice | None:
    """What to say of a generation of a script of which nothing has been heard for long; None: nothing."""
    is_silent = progress.phase == Phase.STARTING and not progress.step and not ranks.have_output
    return _SILENT if is_silent and ranks.running and ranks.age_seconds >= SILENT_SECONDS else None
