"""Snapshots: what they spare, and that a damaged, stale or foreign one is noticed and rebuilt."""

import json
import shutil
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from index import snapshot
from index.engine import codes
from index.engine import saved as saved_module
from index.engine.scan import WideScanner
from index.records import Fusion, NewCollection, NewFace, Search
from tests.index.conftest import CONTRACT

COUNT = 2000
VECTORS = np.random.default_rng(8).standard_normal((COUNT + 20, 32))


@given(
    st.dictionaries(
        st.sampled_from(["rows", "keys", "codes"]),
        arrays(
            st.sampled_from(["<f2", "<f4", "<i8", "u1"]),
            array_shapes(max_dims=2, min_side=0, max_side=50),
            elements=st.integers(0, 100),
        ),
    )
)
def test_arrays_come_back_from_a_file_as_they_went_in(tmp_path_factory, given_arrays):
    folder = tmp_path_factory.mktemp("arrays")
    spec = snapshot.write_arrays(folder, "x.segment", given_arrays)
    manifest = snapshot.Manifest({"key": 1}, 3, "token", (spec,))
    snapshot.write_manifest(folder, manifest)
    assert snapshot.read_manifest(folder) == manifest
    (read,) = snapshot.map_files(folder, manifest)
    assert read.keys() == given_arrays.keys()
    for name, array in given_arrays.items():
        assert read[name].dtype == array.dtype
        assert np.array_equal(read[name], array)


@pytest.fixture(params=["exact", "fast"])
def saved(request, opened, tmp_path):
    """A gallery with a snapshot on disk, closed; the folder of the snapshot."""
    fill(opened(fast_from=1024), Search.FAST if request.param == "fast" else Search.EXACT)
    return tmp_path / "gallery" / "snapshots" / "1"


def fill(gallery, search):
    """COUNT persons and a snapshot of them; closes the gallery."""
    gallery.create_collection(NewCollection("c", CONTRACT, 32, search=search))
    items = ((f"p{n}", NewFace(VECTORS[n])) for n in range(COUNT))
    list(gallery.enroll_templates("c", items, contract_id=CONTRACT))
    gallery.maintain(snapshot=True)
    assert gallery.stats()[0].engine == ("codes" if search is Search.FAST else "exact")
    gallery.close()


def all_found(gallery, numbers=range(0, COUNT, 7)):
    hits = gallery.identify("c", VECTORS[list(numbers)], contract_id=CONTRACT, threshold=0.95)
    return [[c.person_id for c in hit] for hit in hits] == [[f"p{n}"] for n in numbers]


def test_a_start_from_a_snapshot_reads_no_row_from_the_store(saved, opened, monkeypatch):
    from index.store import searched

    monkeypatch.setattr(searched, "scan", lambda *a: pytest.fail("the store was scanned"))
    gallery = opened(fast_from=1024)
    assert all_found(gallery)
    assert gallery.stats()[0].snapshot_revision == gallery.stats()[0].revision


def test_changes_after_the_snapshot_are_replayed_from_the_log(saved, opened):
    gallery = opened()
    gallery.delete_person("c", "p0")
    new = [(f"p{n}", NewFace(VECTORS[n])) for n in range(COUNT, COUNT + 20)]
    list(gallery.enroll_templates("c", new, contract_id=CONTRACT))
    backup = saved.parent.parent / "kept"
    shutil.copytree(saved, backup)
    gallery.close()
    shutil.rmtree(saved)
    backup.rename(saved)
    again = opened()
    assert again.stats()[0].snapshot_revision < again.stats()[0].revision
    assert all_found(again, range(COUNT - 20, COUNT + 20))
    assert again.identify("c", VECTORS[:1], contract_id=CONTRACT, threshold=0.95) == [[]]


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at % len(data)] ^= 0x10
    path.write_bytes(data)


def rewrite(manifest, **changes):
    body = json.loads(manifest.read_text())
    text = json.dumps({**json.loads(body["manifest"]), **changes})
    manifest.write_text(json.dumps({"manifest": text, "crc": zlib.crc32(text.encode())}))


def largest(folder):
    return max(folder.glob("*.segment"), key=lambda path: path.stat().st_size)


DAMAGE = {
    "a flipped bit in the rows": lambda folder: flip(largest(folder), 70_001),
    "a flipped bit at the end": lambda folder: flip(largest(folder), -1),
    "a flipped bit in the manifest": lambda folder: flip(folder / "manifest.json", 40),
    "a truncated file": lambda folder: largest(folder).write_bytes(largest(folder).read_bytes()[:-100]),
    "an empty file": lambda folder: largest(folder).write_bytes(b""),
    "a missing file": lambda folder: largest(folder).unlink(),
    "an empty manifest": lambda folder: (folder / "manifest.json").write_bytes(b""),
    "a manifest that is a list": lambda folder: (folder / "manifest.json").write_text("[]"),
    "another format": lambda folder: rewrite(folder / "manifest.json", format=99),
    "a revision of the future": lambda folder: rewrite(folder / "manifest.json", revision=10**6),
    "another history": lambda folder: rewrite(folder / "manifest.json", token="f" * 16),
    "another contract": lambda folder: rewrite(
        folder / "manifest.json",
        collection={
            "key": 1,
            "contract_id": "b",
            "dimension": 32,
            "fusion": "mean",
            "precision": "float16",
        },
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_bad_snapshot_is_noticed_and_rebuilt_from_the_store(saved, opened, damage, caplog):
    DAMAGE[damage](saved)
    gallery = opened(fast_from=1024)
    assert "rebuil" in caplog.text
    assert all_found(gallery)
    gallery.close()
    caplog.clear()
    assert all_found(opened(fast_from=1024))
    assert "rebuil" not in caplog.text


def test_a_snapshot_with_coarser_codes_of_before_is_rebuilt_from_the_store(opened, monkeypatch, caplog):
    with monkeypatch.context() as before:
        for module in (codes, saved_module):
            before.setattr(module, "part_width", lambda dimension: 4)
        fill(opened(fast_from=1024), Search.FAST)
    gallery = opened(fast_from=1024)
    assert "centroids of shape (8, 16, 4)" in caplog.text
    assert all_found(gallery)
    assert gallery.stats()[0].engine == "codes"


def test_codes_that_are_not_as_wide_as_their_coder_says_are_not_read(opened, monkeypatch, caplog):
    with monkeypatch.context() as wrong:
        wrong.setattr(codes.Coder, "encode", lambda coder, rows: np.zeros((len(rows), 5), np.uint8))
        wrong.setattr(codes.Coder, "scanner", lambda coder, codes: WideScanner(np.zeros((len(codes), 32))))
        fill(opened(fast_from=1024), Search.FAST)
    gallery = opened(fast_from=1024)
    assert "are not of 8 bytes a row" in caplog.text
    assert all_found(gallery)


def test_leftovers_of_a_killed_snapshot_do_not_matter_and_go_with_the_next(saved, opened):
    (saved / ".rows-1.segment.writing").write_bytes(b"half")
    (saved / "rows-2.segment").write_bytes(b"whole, but never in a manifest")
    gallery = opened()
    assert all_found(gallery)
    gallery.delete_person("c", "p1")
    gallery.maintain(snapshot=True)
    names = {path.name for path in saved.iterdir()}
    manifest = snapshot.read_manifest(saved)
    assert manifest is not None
    assert names == {"manifest.json", *(spec.file for spec in manifest.files)}


def test_a_snapshot_writes_only_what_changed(saved, opened):
    gallery = opened()
    before = {path.name for path in saved.glob("rows-*")}
    gallery.maintain(snapshot=True)
    assert {path.name for path in saved.glob("rows-*")} == before


def test_a_deleted_collection_leaves_no_snapshot(saved, opened):
    gallery = opened()
    gallery.delete_collection("c", force=True)
    assert not saved.exists()


def test_samples_and_their_ids_come_back_from_a_snapshot(opened):
    gallery = opened()
    gallery.create_collection(NewCollection("s", CONTRACT, 32, fusion=Fusion.SAMPLES))
    items = [(f"p{n // 3}", NewFace(VECTORS[n])) for n in range(30)]
    (written,) = gallery.enroll_templates("s", items, contract_id=CONTRACT)
    gallery.maintain(snapshot=True)
    hits = opened().identify("s", VECTORS[:30], contract_id=CONTRACT, threshold=0.95)
    assert [hit[0].face_id for hit in hits] == [face.id for face in written.faces]
