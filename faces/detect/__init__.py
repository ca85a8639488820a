"""Detector outputs -> faces: pure decoders, one file a kind of detector."""
