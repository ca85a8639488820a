"""A frozen network to learn from: the embedder of a model pack, on the very crops that the student sees."""

from __future__ import annotations

import torch
from torch import Tensor

from faces.embed import Embedder
from faces.pack import load_pack
from faces.session import Provider, Session


class Teacher:
    """crops (b, 112, 112, 3) uint8 BGR -> its templates (b, D) float32, unit rows, on the crops' device."""

    def __init__(self, pack: str, device: torch.device) -> None:
        """pack: by name or folder. PackError where there is none; ProviderUnavailable where a GPU is wanted
        and ONNX Runtime has none.
        """
        loaded = load_pack(pack)
        provider: Provider = "cuda" if device.type == "cuda" else "cpu"
        threads = torch.get_num_threads() if provider == "cpu" else 0
        self._embedder = Embedder(Session(loaded.embedder_file, provider, threads), loaded.embedder)
        self.dimension, self.contract_id = loaded.dimension, loaded.contract_id

    def __call__(self, crops: Tensor) -> Tensor:
        """See the class."""
        return torch.from_numpy(self._embedder.embed(crops.cpu().numpy())).to(crops.device)
