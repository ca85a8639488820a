"""What a reproduction tells the person who called it."""

from __future__ import annotations


class ReproductionError(ValueError):
    """Something that the caller can put right; the message says what was found, where, and what to do."""
