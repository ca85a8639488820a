"""Networks from a face crop to an embedding: by name, with their cost; they know no identities and no loss."""

# A network enters the registry when its file is imported, and whoever asks the registry comes through here.
from training.backbones import iresnet, mobilefacenet, vit
from training.backbones.registry import backbone, names, register

__all__ = ["backbone", "iresnet", "mobilefacenet", "names", "register", "vit"]
