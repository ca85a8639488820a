"""From a folder of faces to a model pack: losses, sharded classifier, trainer, export. The service imports none."""
