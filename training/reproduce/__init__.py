"""The papers' small tables and figures, measured again with this project's own losses; no part of a run."""
