"""Makes the vector engine that a gallery's settings name. Beside it no module chooses one."""

from __future__ import annotations

from index.engine.base import VectorEngine
from index.engine.faiss_cpu import FaissCpuEngine
from index.engine.faiss_gpu import FaissGpuEngine
from index.settings import GallerySettings
from index.store import log
from index.store.base import TemplateStore
from index.turns import turns_of


def open_engine(settings: GallerySettings, store: TemplateStore) -> VectorEngine:
    """An engine that holds nothing yet. Raises EngineUnavailable rather than take another one."""
    if settings.engine == "faiss-gpu":
        return FaissGpuEngine(settings.path, settings.tuning)
    if settings.engine == "milvus":
        from index.engine.milvus import MilvusEngine
        from index.engine.milvus_address import milvus_address

        def token_of(revision: int) -> str | None:
            with store.read() as connection:
                return log.token(connection, revision)

        assert settings.milvus is not None
        return MilvusEngine(milvus_address(settings.milvus), turns_of(store, settings), token_of)
    return FaissCpuEngine(settings.path, settings.tuning)
