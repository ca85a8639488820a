"""The few calls of the GPU library the engine makes, on the CPU, refusing what the real one forbids."""

from __future__ import annotations

import threading

import numpy as np


class StandIn:
    """Takes the place of the faiss module. Its objects may be touched by the thread that made them alone."""

    def __init__(self, gpus: int = 1) -> None:
        self.gpus = gpus
        self.alive = 0
        outer = self

        class Resources:
            def __init__(self) -> None:
                self.owner = threading.get_ident()

        class Config:
            useFloat16 = False  # noqa: N815 - the library names it so
            device = -1

        class Flat:
            def __init__(self, resources, dimension, config) -> None:
                assert resources.owner == threading.get_ident()
                assert config.useFloat16
                assert 0 <= config.device < outer.gpus
                self.resources, self.rows = resources, np.empty((0, dimension), np.float16)
                outer.alive += 1

            def __del__(self) -> None:
                outer.alive -= 1

            def add(self, rows) -> None:
                assert self.resources.owner == threading.get_ident()
                assert rows.dtype == np.float32
                assert rows.flags.c_contiguous
                self.rows = np.concatenate([self.rows, rows.astype(np.float16)])

            def search(self, probes, k):
                assert self.resources.owner == threading.get_ident()
                assert k <= 2048, "the real one returns no more"
                scores = probes.astype(np.float16).astype(np.float32) @ self.rows.astype(np.float32).T
                order = np.argsort(-scores, axis=1)[:, :k]
                return np.take_along_axis(scores, order, 1), order.astype(np.int64)

        self.StandardGpuResources = Resources
        self.GpuIndexFlatConfig = Config
        self.GpuIndexFlatIP = Flat

    def get_num_gpus(self) -> int:
        return self.gpus
