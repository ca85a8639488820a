"""From an image to faces: decode, detect, judge, align, embed, by a model pack; no gallery, no server."""
