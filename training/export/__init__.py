"""A trained network -> a model pack that serves: graph, proof, lower precision, folder."""
