"""What the operator asks of the training, as rank 0 finds it in its supervisor's file."""

from __future__ import annotations

from wattrain_worker.directive_file import DirectiveFile
from wattrain_worker.train.profiling import NO_PROFILE, ProfileRequest


class RankDirectives:
    """Looked at where the ranks agree, by rank 0 alone: the others might see another version at the same step."""

    def __init__(self, path: str) -> None:
        """`path` of the file; "": nothing is ever asked."""
        self._file = DirectiveFile(path)
        self._saved_version = self._profiled_version = 0

    def wants_checkpoint(self) -> bool:
        """Whether a checkpoint is asked for now; true once for each directive that does."""
        directive = self._file.read()
        if directive is None or not directive.checkpoint or directive.version <= self._saved_version:
            return False
        self._saved_version = directive.version
        return True

    def wanted_profile(self) -> ProfileRequest:
        """What is to be profiled from now on; something once for each directive that asks for it."""
        directive = self._file.read()
        if directive is None or not directive.profile_steps or directive.version <= self._profiled_version:
            return NO_PROFILE
        self._profiled_version = directive.version
        return ProfileRequest(directive.profile_steps, directive.profile_rank or 0)

    def stop_at_step(self) -> int:
        """Step at which the training is to stop; 0: at none."""
        directive = self._file.read()
        return (directive.stop_at_step or 0) if directive is not None else 0

    def duty_ratio(self) -> float:
        """Share of the time in which the ranks are to compute."""
        directive = self._file.read()
        return 1.0 if directive is None or directive.duty_ratio is None else directive.duty_ratio

    def threads(self) -> int:
        """With how many threads each rank is to compute; 0: with as many as it has started with."""
        directive = self._file.read()
        return 0 if directive is None else directive.threads or 0
