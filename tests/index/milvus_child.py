"""Enrols one person after the other with the engine in Milvus, and says who was acknowledged, until it is killed."""

from __future__ import annotations

import sys
from pathlib import Path

from index.gallery import Gallery, GallerySettings
from tests.index.postgres.gallery_child import enrol


def main() -> None:
    folder, address, database = Path(sys.argv[1]), sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else None
    settings = GallerySettings(folder, engine="milvus", milvus=address, database=database)
    with Gallery.open(settings) as gallery:
        print("ready", flush=True)
        for n in range(1_000_000):
            enrol(gallery, f"child-{n}")
            print(f"child-{n}", flush=True)


if __name__ == "__main__":
    main()
