"""What an export refuses; the message says what, why, and what to do."""

from __future__ import annotations


class ExportError(ValueError):
    """A network, an option or a folder that no pack can be made of, or a graph that does not keep its promise."""
