"""How a collection gets to another model contract: faces embedded again, forms brought in step and exchanged."""
