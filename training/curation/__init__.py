"""Photos -> clean sets of aligned faces: align, inspect, merge, relabel. Needs no torch."""
