"""The one error of the harness that is not a defect: a part cannot be had on this machine."""

from __future__ import annotations


class UnavailableError(Exception):
    """Says what cannot be had, why, and what a person can do about it. A fixture turns it into a loud skip."""
