"""What callers of the gallery rely on: writes, reads, searches, and each refusal with nothing written."""

import numpy as np
import pytest

from index import errors
from index.errors import ReplayedReceipt
from index.records import Fusion, NewCollection, NewFace, NewPerson, Receipt, Search
from tests.index.conftest import BOTH_STORES, CONTRACT, unit

pytestmark = BOTH_STORES
RNG = np.random.default_rng(11)
VECTORS = RNG.standard_normal((60, 16))


def face(n, quality=1.0, **more):
    return NewFace(VECTORS[n], quality, **more)


@pytest.fixture
def gallery(opened):
    made = opened()
    made.create_collection(NewCollection("staff", CONTRACT, 16))
    return made


def enrol(gallery, person, *faces, collection="staff"):
    return gallery.add_faces(
        collection,
        person,
        list(faces),
        contract_id=CONTRACT,
        create_person=NewPerson(person, f"Name of {person}"),
        exist_ok=True,
    )


def who(gallery, n, limit=1, threshold=0.9, collection="staff"):
    return gallery.identify(
        collection, VECTORS[n][None], contract_id=CONTRACT, limit=limit, threshold=threshold
    )[0]


def test_an_enrolled_person_is_found_with_id_name_and_exact_cosine(gallery):
    enrol(gallery, "kim", face(0), face(1, 0.5))
    mean = unit(unit(VECTORS[0]) + 0.5 * unit(VECTORS[1]))
    (found,) = who(gallery, 0, threshold=-1)
    assert (found.person_id, found.name, found.face_id) == ("kim", "Name of kim", None)
    assert found.cosine == pytest.approx(mean @ unit(VECTORS[0]), abs=1e-3)
    verified = gallery.verify("staff", "kim", VECTORS[0], contract_id=CONTRACT)
    assert verified == found


def test_below_the_threshold_the_answer_is_nobody(gallery):
    enrol(gallery, "kim", face(0))
    assert who(gallery, 1, threshold=0.9) == []


def test_a_collection_that_searches_samples_names_the_best_one(opened):
    gallery = opened()
    gallery.create_collection(NewCollection("s", CONTRACT, 16, fusion=Fusion.SAMPLES))
    written = enrol(gallery, "kim", face(0), face(1), collection="s")
    enrol(gallery, "lee", face(2), collection="s")
    (found,) = who(gallery, 1, collection="s")
    assert (found.person_id, found.face_id) == ("kim", written.faces[1].id)
    assert found.cosine == pytest.approx(1, abs=1e-3)
    assert gallery.verify("s", "kim", VECTORS[1], contract_id=CONTRACT) == found


def test_faces_come_back_in_the_order_they_were_enrolled_with_their_detail(gallery):
    written = enrol(gallery, "kim", *[face(n, detail={"n": n}) for n in range(7)])
    ids = [record.id for record in written.faces]
    page = gallery.faces("staff", "kim", limit=3)
    assert [record.detail["n"] for record in page] == [0, 1, 2]
    rest = gallery.faces("staff", "kim", after=page[-1].id)
    assert [record.id for record in [*page, *rest]] == ids


def test_deleting_a_face_makes_the_template_anew_and_the_last_one_leaves_nobody_to_find(gallery):
    first = enrol(gallery, "kim", face(0)).faces[0].id
    second = enrol(gallery, "kim", face(1)).faces[0].id
    gallery.delete_face("staff", "kim", first)
    assert who(gallery, 1)[0].cosine == pytest.approx(1, abs=1e-3)
    gallery.delete_face("staff", "kim", second)
    assert who(gallery, 1, threshold=-1) == []
    assert gallery.person("staff", "kim").faces == 0
    with pytest.raises(errors.UnknownFace, match="no face to compare with"):
        gallery.verify("staff", "kim", VECTORS[0], contract_id=CONTRACT)


def test_merging_moves_every_face_and_keeps_the_first_persons_name(gallery):
    enrol(gallery, "kim", face(0))
    enrol(gallery, "double", face(1))
    merged = gallery.merge_persons("staff", "kim", "double")
    assert (merged.id, merged.name, merged.faces) == ("kim", "Name of kim", 2)
    mean = unit(unit(VECTORS[0]) + unit(VECTORS[1]))
    (found,) = who(gallery, 1, limit=5, threshold=-1)
    assert found.person_id == "kim"
    assert found.cosine == pytest.approx(mean @ unit(VECTORS[1]), abs=1e-3)
    assert gallery.collection("staff").persons == 1


def test_counts_and_revisions_follow_the_writes(gallery):
    before = gallery.collection("staff").revision
    written = enrol(gallery, "kim", face(0), face(1))
    collection = gallery.collection("staff")
    assert (collection.persons, collection.faces) == (1, 2)
    assert collection.revision == written.revision == before + 1
    assert all(state.ready for state in gallery.readiness())


def test_crops_are_kept_only_where_the_collection_asks(gallery):
    kept = enrol(gallery, "kim", face(0, crop=b"jpeg")).faces[0].id
    assert gallery.face_crop("staff", "kim", kept) is None
    gallery.update_collection("staff", keep_crops=True)
    kept = enrol(gallery, "kim", face(1, crop=b"jpeg")).faces[0].id
    assert gallery.face_crop("staff", "kim", kept) == b"jpeg"
    gallery.delete_person("staff", "kim")
    with pytest.raises(errors.UnknownPerson):
        gallery.face_crop("staff", "kim", kept)


def test_persons_and_collections_are_listed_by_id_in_pages(gallery):
    for id in ("b", "a:1", "c"):
        gallery.create_person("staff", NewPerson(id))
        gallery.create_collection(NewCollection(id.replace(":", "-"), CONTRACT, 16))
    assert [p.id for p in gallery.persons("staff", None, 2)] == ["a:1", "b"]
    assert [p.id for p in gallery.persons("staff", "b", 2)] == ["c"]
    assert [c.id for c in gallery.collections("a-1", 9)] == ["b", "c", "staff"]


def test_a_collection_with_persons_is_deleted_only_by_force(gallery):
    enrol(gallery, "kim", face(0))
    with pytest.raises(errors.CollectionNotEmpty, match="1 persons"):
        gallery.delete_collection("staff")
    gallery.delete_collection("staff", force=True)
    with pytest.raises(errors.UnknownCollection):
        who(gallery, 0)
    gallery.create_collection(NewCollection("staff", CONTRACT, 16))
    assert who(gallery, 0, threshold=-1) == []


def test_bulk_enrolment_makes_persons_and_adds_to_those_there(gallery):
    enrol(gallery, "p1", face(1))
    items = [(f"p{n % 3}", face(n)) for n in range(2, 10)]
    written = list(gallery.enroll_templates("staff", items, contract_id=CONTRACT, batch=4))
    assert [len(w.faces) for w in written] == [4, 4]
    assert [gallery.person("staff", f"p{n}").faces for n in range(3)] == [3, 3, 3]
    mean = unit(unit(VECTORS[[1, 4, 7]]).sum(axis=0))
    assert gallery.verify("staff", "p1", mean, contract_id=CONTRACT).cosine == pytest.approx(1, abs=1e-3)


def test_the_mean_is_the_same_whether_faces_came_one_by_one_or_together(opened):
    gallery = opened()
    for name in ("one", "all"):
        gallery.create_collection(NewCollection(name, CONTRACT, 16))
    faces = [face(n, quality=n / 10) for n in range(1, 6)]
    for one in faces:
        enrol(gallery, "kim", one, collection="one")
    list(gallery.enroll_templates("all", [("kim", one) for one in faces], contract_id=CONTRACT))
    scores = {who(gallery, 9, threshold=-1, collection=name)[0].cosine for name in ("one", "all")}
    assert len(scores) == 1


NEVER_WRITTEN = {
    "a NaN embedding": (errors.InvalidTemplate, "x", NewFace(np.full(16, np.nan)), CONTRACT),
    "an infinite embedding": (errors.InvalidTemplate, "x", NewFace(np.full(16, np.inf)), CONTRACT),
    "a zero embedding": (errors.InvalidTemplate, "x", NewFace(np.zeros(16)), CONTRACT),
    "a wrong dimension": (errors.InvalidTemplate, "x", NewFace(np.ones(17)), CONTRACT),
    "a foreign contract": (errors.ContractMismatch, "x", NewFace(np.ones(16)), "contract-b"),
    "a quality over one": (errors.InvalidRecord, "x", NewFace(np.ones(16), 1.5), CONTRACT),
    "a quality of NaN": (errors.InvalidRecord, "x", NewFace(np.ones(16), float("nan")), CONTRACT),
    "a slash in the id": (errors.InvalidRecord, "a/b", NewFace(np.ones(16)), CONTRACT),
    "a control character": (errors.InvalidRecord, "a\nb", NewFace(np.ones(16)), CONTRACT),
    "an id of 256 characters": (errors.InvalidRecord, "x" * 256, NewFace(np.ones(16)), CONTRACT),
    "a detail over 16 KiB": (
        errors.InvalidRecord,
        "x",
        NewFace(np.ones(16), detail={"a": "b" * 20_000}),
        CONTRACT,
    ),
    "a detail that is not JSON": (
        errors.InvalidRecord,
        "x",
        NewFace(np.ones(16), detail={"a": float("nan")}),
        CONTRACT,
    ),
}


@pytest.mark.parametrize("case", NEVER_WRITTEN)
def test_what_is_refused_writes_nothing(gallery, case):
    error, person, bad, contract = NEVER_WRITTEN[case]
    before = gallery.collection("staff")
    with pytest.raises(error):
        gallery.add_faces(
            "staff", person, [face(0), bad], contract_id=contract, create_person=NewPerson(person)
        )
    with pytest.raises(error):
        list(gallery.enroll_templates("staff", [("y", face(0)), (person, bad)], contract_id=contract))
    assert gallery.collection("staff") == before
    assert gallery.persons("staff") == []


def test_unknown_names_and_duplicates_have_errors_of_their_own(gallery):
    enrol(gallery, "kim", face(0))
    with pytest.raises(errors.UnknownCollection, match="'nowhere'"):
        who(gallery, 0, collection="nowhere")
    with pytest.raises(errors.UnknownPerson, match="'nobody'"):
        gallery.add_faces("staff", "nobody", [face(0)], contract_id=CONTRACT)
    with pytest.raises(errors.PersonExists):
        gallery.create_person("staff", NewPerson("kim"))
    with pytest.raises(errors.PersonExists):
        gallery.add_faces("staff", "kim", [face(1)], contract_id=CONTRACT, create_person=NewPerson("kim"))
    with pytest.raises(errors.CollectionExists):
        gallery.create_collection(NewCollection("staff", CONTRACT, 16))
    with pytest.raises(errors.UnknownFace):
        gallery.delete_face("staff", "kim", "0" * 32)
    with pytest.raises(errors.InvalidRecord, match="cannot be merged with itself"):
        gallery.merge_persons("staff", "kim", "kim")
    with pytest.raises(errors.InvalidRecord, match=r"must match \[A-Za-z0-9_.-\]"):
        gallery.create_collection(NewCollection("a b", CONTRACT, 16))
    assert gallery.person("staff", "kim").faces == 1


def test_a_search_with_a_foreign_contract_names_both(gallery):
    with pytest.raises(errors.ContractMismatch, match=r"'contract-a'.*'contract-b'"):
        gallery.identify("staff", VECTORS[:1], contract_id="contract-b")
    enrol(gallery, "kim", face(0))
    with pytest.raises(errors.ContractMismatch):
        gallery.verify("staff", "kim", VECTORS[0], contract_id="contract-b")


def receipt(key, digest="d1"):
    return Receipt("client", key, digest, lambda written: f"told {written.revision}".encode())


def test_the_same_key_and_request_is_written_once_and_answered_as_before(gallery):
    def add(key, digest="d1"):
        return gallery.add_faces(
            "staff",
            "kim",
            [face(0)],
            contract_id=CONTRACT,
            create_person=NewPerson("kim"),
            exist_ok=True,
            receipt=receipt(key, digest),
        )

    written = add("k1")
    with pytest.raises(ReplayedReceipt) as replayed:
        add("k1")
    assert replayed.value.answer == f"told {written.revision}".encode()
    with pytest.raises(errors.IdempotencyConflict):
        add("k1", "another request")
    assert gallery.person("staff", "kim").faces == 1
    add("k2")
    assert gallery.person("staff", "kim").faces == 2
    stored = gallery.receipt("client", "k1")
    assert stored is not None
    assert stored.digest == "d1"
    assert gallery.receipt("another client", "k1") is None


def test_a_refused_write_leaves_its_key_free(gallery):
    with pytest.raises(errors.UnknownPerson):
        gallery.add_faces("staff", "kim", [face(0)], contract_id=CONTRACT, receipt=receipt("k1"))
    assert gallery.receipt("client", "k1") is None


def test_an_engine_that_fails_is_told_from_a_write_that_failed_and_heals(gallery, monkeypatch):
    engine = gallery._engine
    monkeypatch.setattr(type(engine), "apply", lambda *a: (_ for _ in ()).throw(MemoryError("made up")))
    with pytest.raises(errors.EngineBehind) as behind:
        enrol(gallery, "kim", face(0))
    assert behind.value.write_committed
    assert gallery.person("staff", "kim").faces == 1
    assert not all(state.ready for state in gallery.readiness())
    monkeypatch.undo()
    assert who(gallery, 0)[0].person_id == "kim"
    assert all(state.ready for state in gallery.readiness())


def test_what_was_written_is_there_after_reopening(gallery, opened):
    enrol(gallery, "kim", face(0))
    gallery.update_collection("staff", search=Search.EXACT, metadata={"a": [1, None]})
    again = opened()
    assert who(again, 0)[0].name == "Name of kim"
    assert again.collection("staff").metadata == {"a": [1, None]}
    assert again.collection("staff") == gallery.collection("staff")


def test_what_no_database_can_hold_is_refused_or_unknown_on_both_stores(gallery):
    for bad in ("a\0b", "a\ud800b"):
        with pytest.raises(errors.InvalidRecord):
            gallery.create_collection(NewCollection("c", f"contract{bad}", 16))
        with pytest.raises(errors.InvalidRecord):
            gallery.create_person("staff", NewPerson(bad))
        with pytest.raises(errors.InvalidRecord):
            gallery.create_person("staff", NewPerson("kim", bad))
        with pytest.raises(errors.InvalidRecord):
            list(gallery.enroll_templates("staff", [(bad, face(0))], contract_id=CONTRACT))
        with pytest.raises(errors.InvalidRecord, match="receipt's key"):
            gallery.create_person("staff", NewPerson("kim"), receipt=receipt(bad))
        for after in (gallery.collections, lambda bad: gallery.persons("staff", bad)):
            with pytest.raises(errors.InvalidRecord, match="go on after"):
                after(bad)
        with pytest.raises(errors.UnknownCollection):
            gallery.collection(bad)
        with pytest.raises(errors.UnknownPerson):
            gallery.delete_person("staff", bad)
        assert gallery.receipt("client", bad) is None
    assert gallery.persons("staff") == []
    enrol(gallery, "kim", face(0))
    with pytest.raises(errors.UnknownFace):
        gallery.face_crop("staff", "kim", "a\0b")
    with pytest.raises(errors.InvalidRecord, match="receipt's digest"):
        gallery.delete_person("staff", "kim", receipt=receipt("k", "d" * 129))


def test_a_nul_inside_json_comes_back_as_it_was(gallery):
    gallery.create_person("staff", NewPerson("kim", metadata={"a\0": "b\0"}))
    (record,) = enrol(gallery, "kim", face(0, detail={"c": "\0"})).faces
    assert gallery.person("staff", "kim").metadata == {"a\0": "b\0"}
    assert gallery.faces("staff", "kim")[0].detail == record.detail == {"c": "\0"}


def test_ids_are_listed_by_code_point_whatever_the_language_of_the_database(gallery):
    for id in ("b", "B", "a", "_", "ä", "\U0001f600"):
        gallery.create_person("staff", NewPerson(id))
    listed = [p.id for p in gallery.persons("staff")]
    assert listed == sorted(listed) == ["B", "_", "a", "b", "ä", "\U0001f600"]
    assert [p.id for p in gallery.persons("staff", "a")] == listed[3:]


def test_a_number_is_never_given_to_a_second_person_or_face(gallery):
    def numbers():
        with gallery._store.read() as connection:
            query = "SELECT key FROM persons UNION SELECT key FROM faces"
            return {int(key) for (key,) in connection.exec_driver_sql(query)}

    seen: set[int] = set()
    for n in range(5):
        enrol(gallery, "kim", face(n))
        assert max(numbers()) > max(seen, default=0)
        seen |= numbers()
        gallery.delete_person("staff", "kim")


def test_a_store_that_lost_its_newest_writes_is_noticed_and_searched_as_it_is(gallery, caplog):
    """As after the failover to a standby that had not received everything."""
    enrol(gallery, "kim", face(0))
    enrol(gallery, "lost", face(1))
    with gallery._store.write() as connection:
        for statement in (
            "DELETE FROM faces WHERE person_key = (SELECT key FROM persons WHERE id = 'lost')",
            "DELETE FROM persons WHERE id = 'lost'",
            "DELETE FROM revisions WHERE revision = (SELECT max(revision) FROM revisions)",
            "UPDATE collections SET revision = revision - 1, persons = 1, faces = 1",
        ):
            connection.exec_driver_sql(statement)
    gallery.maintain()
    assert "lost what followed" in caplog.text
    assert who(gallery, 1) == []
    assert who(gallery, 0)[0].person_id == "kim"
    enrol(gallery, "lee", face(2))
    assert who(gallery, 2)[0].person_id == "lee"
    assert all(state.store_revision == state.engine_revision for state in gallery.readiness())
