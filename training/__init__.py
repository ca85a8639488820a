"""From a folder of faces to a model pack: losses, sharded classifier, trainer, export; the service imports none of it."""
