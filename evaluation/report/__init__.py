"""Figures for people: SVG pictures and one self-contained HTML page, the same bytes for the same figures."""
