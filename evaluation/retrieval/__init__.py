"""Ranked galleries of whatever images: where the right ones stand, and the figures of that; no open set."""
