"""Labeled Faces in the Wild, on which packs are calibrated: its pairs, its calibration, and its people as a gallery."""
