"""What a curation command tells the person who called it; raised everywhere in this package."""

from __future__ import annotations


class CurationError(ValueError):
    """Something that the caller can put right; the message says what was found, where, and what to do."""
