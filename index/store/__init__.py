"""The truth of the gallery: SQL tables, one transaction a write, a change log; knows no vector engine."""
