"""From an image to faces: decode, detect, judge, align, embed, driven by a model pack; knows no gallery and no server."""
