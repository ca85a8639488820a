"""Several writers and readers on one folder: threads of one gallery, and galleries of their own."""

import threading

import numpy as np
import pytest

from index import errors
from index.records import NewCollection, NewFace
from tests.index.conftest import BOTH_STORES, CONTRACT

pytestmark = BOTH_STORES

VECTORS = np.random.default_rng(4).standard_normal((400, 32))


def found(gallery, n):
    return [
        c.person_id for c in gallery.identify("c", VECTORS[n][None], contract_id=CONTRACT, threshold=0.95)[0]
    ]


def test_a_gallery_sees_what_another_on_the_same_folder_acknowledged(opened):
    one = opened()
    one.create_collection(NewCollection("c", CONTRACT, 32))
    two = opened()
    for writer, reader, start in ((one, two, 0), (two, one, 50)):
        items = [(f"p{n}", NewFace(VECTORS[n])) for n in range(start, start + 50)]
        list(writer.enroll_templates("c", items, contract_id=CONTRACT, batch=20))
        assert all(found(reader, n) == [f"p{n}"] for n in range(start, start + 50))
    two.delete_person("c", "p3")
    assert found(one, 3) == []
    one.delete_collection("c", force=True)
    with pytest.raises(errors.UnknownCollection):
        found(two, 5)


def test_a_snapshot_of_one_gallery_does_not_disturb_another(opened):
    one = opened()
    one.create_collection(NewCollection("c", CONTRACT, 32))
    list(
        one.enroll_templates("c", ((f"p{n}", NewFace(VECTORS[n])) for n in range(100)), contract_id=CONTRACT)
    )
    one.maintain(snapshot=True)
    two = opened()
    two.delete_person("c", "p7")
    two.maintain(snapshot=True)
    one.maintain(snapshot=True)
    three = opened()
    for gallery in (one, two, three):
        assert found(gallery, 7) == []
        assert all(found(gallery, n) == [f"p{n}"] for n in (0, 50, 99))


def test_threads_that_write_and_search_at_once_never_see_half_a_write(opened):
    """Pairs are moved between two places in one transaction each: a search must see both or neither move."""
    gallery = opened(background=True)
    gallery.create_collection(NewCollection("c", CONTRACT, 32))
    list(
        gallery.enroll_templates(
            "c", ((f"p{n}", NewFace(VECTORS[n])) for n in range(300)), contract_id=CONTRACT
        )
    )
    wrong: list[object] = []
    stop = threading.Event()

    def write(start):
        try:
            for n in range(start, start + 20):
                both = [(f"left{n}", NewFace(VECTORS[n])), (f"right{n}", NewFace(VECTORS[n]))]
                list(gallery.enroll_templates("c", both, contract_id=CONTRACT))
                gallery.merge_persons("c", f"left{n}", f"right{n}")
                gallery.delete_person("c", f"left{n}")
        except Exception as error:
            wrong.append(error)

    def search(seed):
        rng = np.random.default_rng(seed)
        try:
            while not stop.is_set():
                n = int(rng.integers(300, 340))
                ids = {
                    c.person_id
                    for c in gallery.identify(
                        "c", VECTORS[n][None], contract_id=CONTRACT, limit=3, threshold=0.95
                    )[0]
                }
                if ids not in ({f"left{n}", f"right{n}"}, {f"left{n}"}, set()):
                    wrong.append((n, ids))
                k = int(rng.integers(0, 300))
                if found(gallery, k) != [f"p{k}"]:
                    wrong.append(k)
        except Exception as error:
            wrong.append(error)

    writers = [threading.Thread(target=write, args=(start,)) for start in (300, 320)]
    readers = [threading.Thread(target=search, args=(seed,)) for seed in range(3)]
    for thread in [*writers, *readers]:
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    for thread in readers:
        thread.join()
    assert not wrong
    assert gallery.collection("c").persons == 300
