"""Heads as folders of pages: any range reads back, damage and half-written folders are refused, memory stays flat."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from training.head.page_files import DTYPES, BadPages
from training.head.page_surgery import cut, merge, summary
from training.head.pages import (
    MANIFEST,
    Pages,
    new_folder,
    write_manifest,
    write_page,
    write_pages,
)

ROOT = Path(__file__).parents[2]
ABOUT = {"seed": 3, "loss": {"name": "ArcFace", "scale": 64.0}, "steps": [1, 2]}
some = settings(max_examples=20, deadline=None)


def rows(
    classes: int, dimension: int, dtype: torch.dtype = torch.float32, names: Sequence[str] = ("weight",)
) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(classes * 1000 + dimension)
    return {
        name: torch.randn(classes, dimension, generator=generator, dtype=torch.float64).to(dtype)
        for name in names
    }


def write_head(
    folder: Path, tensors: Mapping[str, Tensor], borders: Sequence[int] = (), about: Any = ABOUT
) -> Path:
    """One page between every two borders."""
    edges = [0, *borders, len(tensors["weight"])]
    new_folder(folder)
    pages = [
        write_page(folder, start, {name: one[start:stop] for name, one in tensors.items()})
        for start, stop in pairwise(edges)
    ]
    write_manifest(folder, pages, about)
    return folder


@contextmanager
def temporary() -> Iterator[Path]:
    """A folder that a hypothesis example has to itself."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@st.composite
def heads(draw, dimension=None, dtype=None) -> tuple[dict[str, Tensor], list[int]]:
    """Tensors of a head and the borders of its pages."""
    classes = draw(st.integers(1, 60))
    names = draw(st.sampled_from([["weight"], ["weight", "momentum"]]))
    borders = draw(st.sets(st.integers(1, classes - 1), max_size=5)) if classes > 1 else set()
    kind = dtype or draw(st.sampled_from([*DTYPES.values()]))
    return rows(classes, dimension or draw(st.integers(1, 5)), kind, names), sorted(borders)


@some
@given(heads(), st.data())
def test_any_range_read_back_is_the_range_that_was_written(head, data):
    tensors, borders = head
    weight = tensors["weight"]
    with temporary() as folder:
        write_head(folder, tensors, borders)
        pages = Pages.open(folder, verify=True)
        assert (pages.classes, pages.dimension, pages.dtype) == (*weight.shape, weight.dtype)
        assert set(pages.names) == set(tensors)
        assert pages.names[0] == "weight"
        assert pages.about == ABOUT
        assert len(pages.pages) == len(borders) + 1
        for _ in range(5):
            start, stop = sorted(data.draw(st.tuples(*[st.integers(0, pages.classes)] * 2)))
            for name, whole in tensors.items():
                assert torch.equal(pages.read(start, stop, name), whole[start:stop])
        size = data.draw(st.integers(1, 70))
        for start, block in pages.blocks(size):
            assert {name: len(one) for name, one in block.items()} == {
                name: min(size, pages.classes - start) for name in tensors
            }
            assert all(torch.equal(block[name], tensors[name][start:][:size]) for name in tensors)


@some
@given(heads(), st.data())
def test_taking_ids_is_indexing(head, data):
    tensors, borders = head
    ids = torch.tensor(data.draw(st.lists(st.integers(0, len(tensors["weight"]) - 1))), dtype=torch.int64)
    with temporary() as folder:
        pages = Pages.open(write_head(folder, tensors, borders))
        assert all(torch.equal(pages.take(ids, name), tensors[name][ids]) for name in tensors)


@some
@given(heads(), st.data())
def test_a_cut_by_a_permutation_is_indexing(head, data):
    tensors, borders = head
    classes = len(tensors["weight"])
    ids = torch.tensor(data.draw(st.permutations(range(classes))))[: data.draw(st.integers(1, classes))]
    with temporary() as folder:
        write_head(folder / "whole", tensors, borders)
        cut(folder / "whole", folder / "part", ids, page_rows=data.draw(st.integers(1, 70)))
        part = Pages.open(folder / "part", verify=True)
        assert part.classes == len(ids)
        assert set(part.names) == set(tensors)
        assert all(torch.equal(part.read(0, len(ids), name), tensors[name][ids]) for name in tensors)
        assert part.about == {"cut": {"folder": "whole", "classes": classes, "about": ABOUT}}


@some
@given(st.lists(heads(dimension=3, dtype=torch.float16), min_size=1, max_size=3), st.integers(3, 70))
def test_what_was_merged_can_be_cut_out_again(parts, page_rows):
    shared = set.intersection(*(set(tensors) for tensors, _ in parts))
    with temporary() as folder:
        sources = [
            write_head(folder / str(at), tensors, borders) for at, (tensors, borders) in enumerate(parts)
        ]
        offsets = merge(sources, folder / "merged", common_names=True, page_rows=page_rows)
        merged = Pages.open(folder / "merged", verify=True)
        assert merged.classes == sum(len(tensors["weight"]) for tensors, _ in parts)
        assert set(merged.names) == shared
        assert [one["folder"] for one in merged.about["merged"]] == [source.name for source in sources]
        for offset, (tensors, _) in zip(offsets, parts, strict=True):
            ids = torch.arange(offset, offset + len(tensors["weight"]))
            out = folder / f"again {offset}"
            cut(folder / "merged", out, ids, about={}, page_rows=page_rows)
            again = Pages.open(out)
            assert all(torch.equal(again.read(0, len(ids), name), tensors[name]) for name in shared)


@some
@given(st.integers(1, 60), st.integers(1, 9), st.integers(1, 20))
def test_shares_of_ranks_some_of_them_empty_make_one_head(classes, ranks, page_rows):
    whole = rows(classes, 4)["weight"]
    most = -(-classes // ranks)
    with temporary() as folder:
        new_folder(folder)
        written = [
            write_pages(folder, min(rank * most, classes), {"weight": share}, page_rows)
            for rank, share in enumerate(whole[rank * most :][:most] for rank in range(ranks))
        ]
        write_manifest(folder, [page for pages in reversed(written) for page in pages], {})
        assert torch.equal(Pages.open(folder).read(0, classes), whole)


@pytest.mark.parametrize("dtype", DTYPES.values())
def test_anybody_reads_a_page_with_safetensors_alone(tmp_path, dtype):
    tensors = rows(11, 7, dtype, ["weight", "exp_avg"])
    write_head(tmp_path / "head", tensors, [4])
    found = safetensors.torch.load_file(tmp_path / "head" / "rows-000000000004-000000000011.safetensors")
    assert all(torch.equal(found[name], tensors[name][4:]) for name in tensors)
    assert len(found) == 2


def test_pages_are_readable_for_whoever_new_files_are(tmp_path):
    (tmp_path / "plain").touch()
    write_head(tmp_path / "head", rows(3, 2))
    mode = (tmp_path / "plain").stat().st_mode
    assert {path.stat().st_mode for path in (tmp_path / "head").iterdir()} == {mode}


def test_a_page_larger_than_one_write_and_of_views_on_other_tensors(tmp_path):
    wide = torch.randn(3000, 1200)
    tensors = {"weight": wide[::2, :1000], "momentum": wide[1::2, 100:1100].requires_grad_()}
    write_head(tmp_path / "head", tensors)
    pages = Pages.open(tmp_path / "head", verify=True)
    assert all(torch.equal(pages.read(0, 1500, name), tensors[name]) for name in tensors)


def test_rows_that_were_read_outlive_the_folder(tmp_path):
    tensors = rows(9, 4)
    pages = Pages.open(write_head(tmp_path / "head", tensors, [5]))
    found, taken = pages.read(2, 8), pages.take(torch.tensor([8, 0]))
    for page in pages.pages:
        (tmp_path / "head" / page.file).write_bytes(b"")
    assert torch.equal(found, tensors["weight"][2:8])
    assert torch.equal(taken, tensors["weight"][[8, 0]])


# What is refused.


@pytest.fixture
def head(tmp_path: Path) -> Path:
    """Ten classes in pages of 4, 3 and 3."""
    return write_head(tmp_path / "head", rows(10, 4, names=["weight", "momentum"]), [4, 7])


def page_of(folder: Path, at: int) -> Path:
    return folder / Pages.open(folder).pages[at].file


def refused(folder: Path, says: str, *, verify: bool = False) -> None:
    with pytest.raises(BadPages, match=says) as error:
        Pages.open(folder, verify=verify)
    assert str(folder) in str(error.value)


def change(folder: Path, *edits: tuple[Sequence[str | int], Any]) -> None:
    """Sets values in head.json; the one value `...` takes a key or an item away."""
    body = json.loads((folder / MANIFEST).read_text())
    for where, value in edits:
        *way, last = where
        inner = body
        for key in way:
            inner = inner[key]
        if value is ...:
            del inner[last]
        else:
            inner[last] = value
    (folder / MANIFEST).write_text(json.dumps(body))


def test_a_truncated_page_is_refused(head):
    path = page_of(head, 1)
    path.write_bytes(path.read_bytes()[:-1])
    refused(head, rf"{path.name} has {path.stat().st_size} bytes where {path.stat().st_size + 1} belong")


@pytest.mark.parametrize("at", [-1, -90, 12])
def test_a_flipped_byte_is_found_when_asked_for_and_before_a_head_is_made_of_it(head, tmp_path, at):
    path = page_of(head, 1)
    data = bytearray(path.read_bytes())
    data[at] ^= 0x40
    path.write_bytes(data)
    if at < 0:
        Pages.open(head)
        refused(head, rf"{path.name} has SHA-256 {hashlib.sha256(data).hexdigest()} where", verify=True)
    else:
        refused(head, rf"{path.name} (is no whole safetensors file|has)")
    with pytest.raises(BadPages, match=path.name):
        merge([head], tmp_path / "merged")
    with pytest.raises(BadPages, match=path.name):
        cut(head, tmp_path / "part", torch.arange(3))
    assert not (tmp_path / "merged").exists()
    assert not (tmp_path / "part").exists()


def test_a_missing_page_is_refused(head):
    path = page_of(head, 2)
    path.unlink()
    refused(head, f"{path.name} is missing")


def test_a_folder_without_its_last_file_is_no_head(head, tmp_path):
    (head / MANIFEST).unlink()
    refused(head, "head.json is missing: this is no head, or writing it never came to an end")
    refused(tmp_path / "nowhere", "head.json is missing")


def test_two_pages_that_changed_places_are_refused_where_their_shapes_differ(head):
    first, second = page_of(head, 0), page_of(head, 1)
    data = first.read_bytes(), second.read_bytes()
    first.write_bytes(data[1])
    second.write_bytes(data[0])
    change(head, (("pages", 0, "size"), first.stat().st_size), (("pages", 1, "size"), second.stat().st_size))
    refused(head, rf"{first.name} has weight \(3, 4\) F32 where \(4, D\) of F16, BF16, F32, F64 belongs")


FOURTH = "rows-000000000004-000000000007.safetensors"


@pytest.mark.parametrize(
    ("edits", "says"),
    [
        ([(("format",), 2)], "head.json is no head of format 1: format: .*, not 2"),
        ([(("format",), "1")], "format: .*, not '1'"),
        ([(("format",), ...)], "format: Field required"),
        ([(("colour",), "red")], "colour: .*, not 'red'"),
        ([(("classes",), 11)], "has 11 classes, but its pages end at 10"),
        ([(("classes",), "10")], "classes: .*, not '10'"),
        ([(("dimension",), 5)], "momentum in 4 dimensions of F32; the head has .* in 5 dimensions of F32"),
        ([(("dtype",), "BF16")], "the head has weight, momentum in 4 dimensions of BF16"),
        ([(("dtype",), "I64")], "the head has weight, momentum in 4 dimensions of I64"),
        ([(("names",), ["weight"])], "has weight, momentum in .*; the head has weight in 4"),
        ([(("names",), ["weight", "weight", "momentum"])], "the head has weight, weight, momentum in"),
        ([(("about",), [])], r"about: .*, not \[\]"),
        ([(("pages",), [])], "has no pages; a head has at least one class"),
        ([(("pages", 1), ...)], r"classes 4..6 are in no page before rows-000000000007-"),
        ([(("pages", 0), ...)], r"classes 0..3 are in no page before rows-000000000004-"),
        ([(("pages", 2), ...)], "has 10 classes, but its pages end at 7"),
        ([(("pages", 1, "start"), "4")], "pages.1.start: .*, not '4'"),
        ([(("pages", 1, "stop"), 4)], r"a page holds classes 4..3, which is none"),
        ([(("pages", 0, "start"), -1)], "the file name .* where rows--00000000001-"),
        ([(("pages", 1, "size"), 0)], f"{FOURTH} has .* bytes where 0 belong"),
        ([(("pages", 1, "sha256"), "0" * 63)], "pages.1.sha256: "),
        ([(("pages", 1, "file"), f"../head/{FOURTH}")], f"the file name '../head/{FOURTH}' where {FOURTH}"),
        ([(("pages", 1, "file"), f"/tmp/{FOURTH}")], f"the file name '/tmp/{FOURTH}' where {FOURTH}"),
        ([(("pages", 2, "file"), FOURTH)], f"the file name '{FOURTH}' where rows-000000000007-"),
    ],
)
def test_a_manifest_that_is_wrong_in_one_value_is_refused_by_that_value(head, edits, says):
    change(head, *edits)
    refused(head, says)


def test_a_page_given_twice_is_refused(head):
    pages = json.loads((head / MANIFEST).read_text())["pages"]
    change(head, (("pages",), [*pages[:2], *pages[1:]]))
    refused(head, f"class 4 of {FOURTH} is in the page before it too")


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b'{"weights": 3}', b"\xff\xfe", b"[" * 100_000])
def test_foreign_or_broken_json_is_refused(head, text):
    (head / MANIFEST).write_bytes(text)
    refused(head, "head.json is no head of format 1")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (rows(3, 4, names=["momentum"]), "has no tensor 'weight'; it has momentum"),
        (rows(3, 4) | {"momentum": torch.zeros(3, 5)}, r"momentum \(3, 5\) F32 where weight is \(3, 4\) F32"),
        (rows(3, 4) | {"momentum": torch.zeros(3, 4).half()}, r"momentum \(3, 4\) F16 where weight"),
        ({"weight": torch.zeros(3, 4, dtype=torch.int32)}, r"weight \(3, 4\) I32 where \(3, D\) of F16"),
        ({"weight": torch.zeros(3, 4, 1)}, r"weight \(3, 4, 1\) F32 where \(3, D\)"),
        ({}, "has no tensor 'weight'; it has none at all"),
    ],
)
def test_a_page_of_other_tensors_is_refused(tmp_path, body, says):
    path = page_of(write_head(tmp_path / "head", rows(3, 4)), 0)
    path.unlink()
    safetensors.torch.save_file(body, path)
    change(tmp_path / "head", (("pages", 0, "size"), path.stat().st_size))
    refused(tmp_path / "head", says)


@pytest.mark.parametrize(
    ("spans", "says"),
    [
        ([], "has no pages"),
        ([(0, 4), (5, 8)], r"classes 4..4 are in no page before rows-000000000005"),
        ([(1, 4)], r"classes 0..0 are in no page"),
        ([(0, 4), (2, 8)], r"class 2 of rows-000000000002-000000000008.safetensors is in the page before"),
        ([(0, 8), (2, 4)], r"class 2 of rows-000000000002"),
    ],
)
def test_pages_with_a_gap_or_an_overlap_make_no_head(tmp_path, spans, says):
    pages = [write_page(tmp_path, a, {"weight": rows(b - a, 3)["weight"]}) for a, b in spans]
    with pytest.raises(BadPages, match=says):
        write_manifest(tmp_path, pages, {})
    refused(tmp_path, "head.json is missing")


@pytest.mark.parametrize(
    "other",
    [rows(3, 5), rows(3, 4, torch.float64), rows(3, 4, names=["weight", "momentum"])],
)
def test_pages_that_differ_make_no_head(tmp_path, other):
    pages = [write_page(tmp_path, 0, rows(6, 4)), write_page(tmp_path, 6, other)]
    with pytest.raises(
        BadPages, match=r"rows-0+6-0+9.safetensors has .*; the head has weight in 4 dim.* F32"
    ):
        write_manifest(tmp_path, pages, {})


def test_a_page_that_another_machine_wrote_to_its_own_disk_makes_no_head(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    pages = []
    for folder, start in ((here, 0), (there, 6)):
        new_folder(folder)
        pages.append(write_page(folder, start, rows(6, 4)))
    with pytest.raises(BadPages, match=rf"{here}/rows-000000000006-.* is missing"):
        write_manifest(here, pages, {})


@pytest.mark.parametrize(
    "about", [{"a": math.nan}, {"a": torch.ones(1)}, {"a": {1}}, {("a", 1): 2}, {"a": "\ud800"}]
)
def test_what_is_said_about_a_head_is_json(head, tmp_path, about):
    out = tmp_path / "out"
    for act in (
        lambda: write_head(out, rows(3, 2), about=about),
        lambda: cut(head, tmp_path / "part", torch.arange(3), about=about),
        lambda: merge([head], tmp_path / "merged", about=about),
    ):
        with pytest.raises(ValueError, match="what is said about the head is not JSON"):
            act()
    refused(out, "head.json is missing")
    assert {path.name for path in tmp_path.iterdir()} == {"head", "out"}


def test_a_page_size_below_one_is_refused_before_anything_is_written(head, tmp_path):
    for act in (
        lambda: cut(head, tmp_path / "part", torch.arange(3), page_rows=0),
        lambda: merge([head], tmp_path / "merged", page_rows=-1),
    ):
        with pytest.raises(ValueError, match="a page or block has at least 1 row"):
            act()
    assert {path.name for path in tmp_path.iterdir()} == {"head"}


@pytest.mark.parametrize(
    ("start", "tensors", "says"),
    [
        (-1, rows(3, 4), "begins at class 0 or above, not at -1"),
        (0, {}, "has a tensor 'weight'; this one has none at all"),
        (0, rows(3, 4, names=["momentum"]), "has a tensor 'weight'; this one has momentum"),
        (0, {"weight": torch.zeros(3)}, r"rows are \(n, D\) .* they are \(3,\) torch.float32"),
        (0, {"weight": torch.zeros(3, 0)}, r"they are \(3, 0\)"),
        (0, {"weight": torch.zeros(3, 4, dtype=torch.int64)}, r"they are \(3, 4\) torch.int64"),
        (0, {"weight": torch.zeros(0, 4)}, "at least one row"),
        (0, rows(3, 4) | {"step": torch.zeros(1)}, r"step is \(1,\) torch.float32 where weight is \(3, 4\)"),
        (0, rows(3, 4) | {"m": torch.zeros(3, 4).half()}, r"m is \(3, 4\) torch.float16 where weight"),
        (0, rows(3, 4, names=["weight", "__metadata__"]), "'__metadata__' is no name for a tensor"),
        (0, rows(3, 4, names=["weight", "a/b"]), "'a/b' is no name for a tensor"),
    ],
)
def test_tensors_that_are_no_page_are_refused_before_anything_is_written(tmp_path, start, tensors, says):
    with pytest.raises(ValueError, match=says):
        write_page(tmp_path, start, tensors)
    assert not any(tmp_path.iterdir())


def test_nothing_is_overwritten(head, tmp_path):
    before = {path.name: path.read_bytes() for path in head.iterdir()}
    other = write_head(tmp_path / "other", rows(10, 4), [4])
    for act in (
        lambda: new_folder(head),
        lambda: write_page(head, 10, rows(3, 4)),
        lambda: write_manifest(head, Pages.open(head).pages, {}),
        lambda: merge([other], head),
        lambda: merge([head, head], head),
        lambda: cut(other, head, torch.arange(3)),
        lambda: cut(other, head / MANIFEST, torch.arange(3)),
    ):
        with pytest.raises(FileExistsError, match=re.escape(str(head))):
            act()
    assert {path.name: path.read_bytes() for path in head.iterdir()} == before


def test_a_page_is_not_written_twice(tmp_path):
    write_page(tmp_path, 0, rows(3, 4))
    with pytest.raises(FileExistsError, match=r"rows-0+-0+3.safetensors is there already"):
        write_page(tmp_path, 0, rows(3, 4))


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda pages: pages.read(-1, 3), "rows -1:3 are not within the 10 classes"),
        (lambda pages: pages.read(3, 11), "rows 3:11 are not within the 10 classes"),
        (lambda pages: pages.read(5, 4), "rows 5:4 are not within"),
        (lambda pages: pages.read(0, 1, "adam"), "no tensor 'adam'; it has weight, momentum"),
        (lambda pages: pages.take(torch.tensor([3]), "adam"), "no tensor 'adam'"),
        (lambda pages: pages.take(torch.tensor([3, 10, -1])), "id 10 at place 1 is outside 0..9"),
        (lambda pages: pages.take(torch.tensor([-1])), "id -1 at place 0 is outside 0..9"),
        (lambda pages: pages.take(torch.tensor([3.0])), r"torch.int64; these are \(1,\) torch.float32"),
        (lambda pages: pages.take(torch.tensor([3]).int()), "these are .* torch.int32"),
        (lambda pages: pages.take(torch.tensor([[3]])), r"these are \(1, 1\) torch.int64"),
        (lambda pages: next(pages.blocks(0)), "at least 1 row, not 0"),
        (lambda pages: next(pages.blocks(4, ["adam"])), "no tensor 'adam'"),
    ],
)
def test_what_a_head_does_not_have_cannot_be_read(head, call, says):
    with pytest.raises((ValueError, TypeError), match=says):
        call(Pages.open(head))


@pytest.mark.parametrize(
    ("ids", "says"),
    [
        ([0, 10], "id 10 at place 1 is outside 0..9 of .*/head"),
        ([3, 1, 3, 1, 1], "id 1 was given more than once; 3 of the ids are repeats"),
        ([], "no id of .*/head was given"),
    ],
)
def test_a_cut_refuses_ids_outside_twice_or_none(head, tmp_path, ids, says):
    with pytest.raises(ValueError, match=says):
        cut(head, tmp_path / "part", torch.tensor(ids, dtype=torch.int64))
    assert not (tmp_path / "part").exists()


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (rows(3, 5), "b has dimension 5, .*a 4"),
        (rows(3, 4, torch.float64), "b has dtype torch.float64, .*a torch.float32"),
        (rows(3, 4, names=["weight", "exp_avg"]), "exp_avg is not in both .*a and .*b; with common_names"),
    ],
)
def test_heads_that_differ_are_not_merged(tmp_path, other, says):
    sources = [write_head(tmp_path / "a", rows(3, 4)), write_head(tmp_path / "b", other)]
    with pytest.raises(ValueError, match=says):
        merge(sources, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_merge_of_nothing_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no heads to merge"):
        merge([], tmp_path / "out")


# What a user looks at.


@pytest.mark.parametrize("dtype", DTYPES.values())
def test_a_summary_counts_lengths_zeros_and_broken_rows(tmp_path, dtype):
    weight = rows(20, 4, dtype)["weight"]
    weight[3], weight[11, 2], weight[12, 0] = 0, math.nan, -math.inf
    lengths = weight[[at for at in range(20) if at not in (11, 12)]].double().norm(dim=1)
    tensors = {"weight": weight, "momentum": torch.full_like(weight, math.nan)}
    found = summary(write_head(tmp_path / "head", tensors, [7]))
    assert (found.classes, found.dimension, found.dtype, found.pages) == (20, 4, dtype, 2)
    assert found.names == ("weight", "momentum")
    assert found.size == sum(path.stat().st_size for path in (tmp_path / "head").glob("rows-*"))
    assert (found.zero, found.broken, found.shortest) == (1, 2, 0.0)
    assert found.median == pytest.approx(lengths.quantile(0.5).item())
    assert found.longest == pytest.approx(lengths.max().item())
    text = found.explain()
    assert "20 classes in 4 dimensions, weight, momentum in" in text
    assert "1 are zero, 2 not finite" in text
    assert "seed: 3" in text


def test_a_summary_of_rows_that_are_all_broken_has_no_lengths(tmp_path):
    found = summary(write_head(tmp_path / "head", {"weight": torch.full((2, 3), math.nan)}))
    assert (found.zero, found.broken) == (0, 2)
    assert all(math.isnan(one) for one in (found.shortest, found.median, found.longest))


# Killed, and measured, in processes of their own.


def ran(call: str) -> list[str]:
    """The lines that a function of this module prints in a fresh process."""
    command = [sys.executable, "-c", f"from pathlib import Path; from {__name__} import *; {call}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    # Else glibc learns to keep blocks of a page's size after they were freed, on some runs more than on others.
    environment["MALLOC_MMAP_THRESHOLD_"] = "131072"
    return subprocess.run(
        command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True, timeout=60
    ).stdout.splitlines()


def write_and_die(folder: Path, step: int) -> None:
    """Writes a head, and is killed instead of its step-th sync or rename."""
    left = step

    def instead(act):
        def dying(*arguments):
            nonlocal left
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1
            return act(*arguments)

        return dying

    os.fsync, Path.rename = instead(os.fsync), instead(Path.rename)
    write_head(folder, rows(10, 4), [4, 7])


def die_at_every_step(parent: Path) -> None:
    for step in range(100):
        child = os.fork()
        if child == 0:
            write_and_die(parent / str(step), step)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(step, -os.waitstatus_to_exitcode(status), flush=True)
        if os.WIFEXITED(status):
            return


def test_a_writer_killed_at_any_step_leaves_a_head_that_is_whole_or_refused(tmp_path):
    steps = [line.split() for line in ran(f"die_at_every_step(Path({str(tmp_path)!r}))")]
    assert [int(code) for _, code in steps] == [signal.SIGKILL] * (len(steps) - 1) + [0]
    # A sync of the new folder's name; then a sync, a rename and a sync for each of four files.
    assert len(steps) == 1 + 3 * 4 + 1
    for step, _ in steps[:-2]:
        refused(tmp_path / step, "head.json is missing")
    with pytest.raises(FileExistsError, match="is not an empty folder"):
        new_folder(tmp_path / "5")
    for step, _ in steps[-2:]:
        assert torch.equal(Pages.open(tmp_path / step, verify=True).read(0, 10), rows(10, 4)["weight"])


PAGE, DIMENSION, PAGE_BYTES, PAGES = 16384, 128, 16384 * 128 * 4, 10


def memory(what: str) -> int:
    """VmRSS, what this process holds, or VmHWM, the most it held; in bytes, mapped files included."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(what))
    return int(line.split()[1]) * 1024


def grown(act: Callable[[], object]) -> int:
    """By how many bytes the process was larger than before, at its largest."""
    Path("/proc/self/clear_refs").write_text("5")
    before = memory("VmRSS")
    act()
    return memory("VmHWM") - before


def write_large(folder: Path) -> None:
    new_folder(folder)
    pages = [
        write_page(folder, at * PAGE, {"weight": torch.full((PAGE, DIMENSION), float(at + 1))})
        for at in range(PAGES)
    ]
    write_manifest(folder, pages, {})


def measure(parent: Path) -> None:
    small = write_head(parent / "small", rows(10, 4))
    cut(small, parent / "warm", torch.arange(5))
    merge([small, small], parent / "warmer")
    summary(small)
    large, ids = parent / "large", torch.randperm(PAGES * PAGE)
    for act in (
        lambda: write_large(large),
        lambda: cut(large, parent / "cut", ids, page_rows=PAGE),
        lambda: merge([large, small_of(large, parent)], parent / "merged", page_rows=PAGE + 1),
        lambda: summary(large, verify=True),
    ):
        print(grown(act), flush=True)


def small_of(large: Path, parent: Path) -> Path:
    cut(large, parent / "first", torch.arange(5))
    return parent / "first"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is read from Linux's /proc")
def test_a_head_of_ten_pages_is_handled_in_the_memory_of_a_few(tmp_path):
    found = [int(line) for line in ran(f"measure(Path({str(tmp_path)!r}))")]
    assert len(found) == 4
    assert max(found) < 4 * PAGE_BYTES, [f"{one / PAGE_BYTES:.1f} pages" for one in found]
