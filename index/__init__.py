"""Templates in, candidates out: gallery, durable store, vector engines; knows no image and no server."""
