"""Templates in, candidates out: the gallery, its durable store and its vector engines; knows no image and no server."""
