"""The GPU engine: when it refuses to start, and that one thread alone touches the GPU."""

import gc
import threading
from types import SimpleNamespace

import faiss
import numpy as np
import pytest

from index.engine.faiss_gpu import FaissGpuEngine
from index.engine.held import Tuning
from index.errors import EngineUnavailable
from tests.index.engine_kit import SMALL, filled, space_of
from tests.index.gpu_stand_in import StandIn


@pytest.mark.skipif(hasattr(faiss, "StandardGpuResources"), reason="the installed faiss has GPU support")
def test_a_gallery_set_to_the_gpu_refuses_to_open_without_one(opened):
    with pytest.raises(EngineUnavailable, match=r"needs a faiss with GPU support.*choose engine faiss-cpu"):
        opened(engine="faiss-gpu")


def test_a_library_that_sees_no_gpu_is_refused_with_what_to_check(tmp_path):
    with pytest.raises(EngineUnavailable, match=r"shows 0; check the driver and CUDA_VISIBLE_DEVICES"):
        FaissGpuEngine(tmp_path, Tuning(), StandIn(gpus=0))


def test_a_gpu_that_fails_at_the_first_call_is_refused(tmp_path):
    def broken():
        raise RuntimeError("CUDA error 35 driver too old")

    library = SimpleNamespace(StandardGpuResources=broken, get_num_gpus=lambda: 1)
    with pytest.raises(EngineUnavailable, match="driver too old"):
        FaissGpuEngine(tmp_path, Tuning(), library)


def test_searches_of_many_threads_reach_the_gpu_through_one(tmp_path):
    engine = FaissGpuEngine(tmp_path, SMALL, StandIn())
    people = filled(engine, space_of("gpu"))
    wrong: list[int] = []

    def ask(n):
        for _ in range(20):
            if engine.search(1, people[n : n + 1], 1, 0.9).hits[0].persons.tolist() != [n]:
                wrong.append(n)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    engine.close()
    assert not wrong


def test_more_neighbours_than_the_gpu_gives_are_still_all_found(tmp_path):
    engine = FaissGpuEngine(tmp_path, SMALL, StandIn())
    space = space_of("gpu")
    people = filled(engine, space, count=3000)
    engine.maintain(1)
    hits = engine.search(1, people[:1], 3000, -1.0).hits[0]
    assert len(hits.persons) == 3000
    assert np.all(np.diff(hits.cosines) <= 0)
    engine.close()


def test_memory_of_merged_segments_goes_back_to_the_gpu(tmp_path):
    library = StandIn()
    engine = FaissGpuEngine(tmp_path, SMALL, library)
    people = filled(engine, space_of("gpu"), count=2000)
    engine.search(1, people[:1], 1, 0.9)
    gc.collect()
    engine._gpu.run(lambda: None)
    assert library.alive <= len(engine._held[1].view.segments)
    engine.close()
