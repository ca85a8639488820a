"""From a folder of faces to a model pack: losses, sharded classifier, trainer, export. Nothing here is imported by the service."""
