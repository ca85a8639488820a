"""`.bin` files of aligned pairs: read as they are written anywhere, and refused where they hold anything else."""

from __future__ import annotations

import os
import pickle
import struct
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.datasets.images import DatasetError
from evaluation.datasets.insightface_bin import open_bin
from evaluation.datasets.pairs import Pair
from evaluation.datasets.plain_pickle import PlainArray, read_plain

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)

PLAIN = st.recursive(
    st.one_of(st.binary(min_size=1, max_size=300), st.booleans()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.lists(inner, max_size=4).map(tuple)),
    max_leaves=20,
)


def write_bin(path: Path, value: object, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    return path


def crops(count: int) -> list[bytes]:
    """Small images, all different."""
    return [cv2.imencode(".png", np.full((2, 2, 3), at, np.uint8))[1].tobytes() for at in range(count)]


def python_2_file(images: list[bytes], same: list[bool]) -> bytes:
    """What Python 2 writes with its highest protocol: byte strings as BINSTRING, everything remembered."""
    parts = [b"\x80\x02]q\x00("]
    parts += [b"T" + struct.pack("<I", len(image)) + image + b"q\x01" for image in images]
    parts += [b"e]q\x02("] + [b"\x88" if is_same else b"\x89" for is_same in same]
    return b"".join([*parts, b"e\x86q\x03."])


def python_2_array(content: bytes) -> bytes:
    """What Python 2 writes for numpy.array(content as uint8, shape (N, 1)), as old OpenCV encodes images."""
    dtype = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    made = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    shape = b"K" + bytes([len(content)]) + b"K\x01\x86"
    return made + b"(K\x01" + shape + dtype + b"\x89U" + bytes([len(content)]) + content + b"tb"


def read_or_refused(data: bytes) -> None:
    """Fails with any other exception than the one for users."""
    with suppress(DatasetError):
        read_plain(data, "x")


@settings(deadline=None)
@given(PLAIN, st.sampled_from(PROTOCOLS))
def test_plain_values_are_read_as_they_were_written_by_every_protocol(value: object, protocol: int) -> None:
    assert read_plain(pickle.dumps(value, protocol=protocol), "x") == value


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=300), st.sampled_from(PROTOCOLS))
def test_bytearrays_and_arrays_of_bytes_are_their_bytes(content: bytes, protocol: int) -> None:
    flat = np.frombuffer(content, np.uint8)
    value = [bytearray(content), flat, flat.copy().reshape(-1, 1), np.repeat(flat, 2)[::2]]
    shapes = [(len(content),), (len(content), 1), (len(content),)]
    assert read_plain(pickle.dumps(value, protocol=protocol), "x") == [
        content,
        *(PlainArray("u1", shape, content) for shape in shapes),
    ]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_booleans_of_numpy_are_booleans(protocol: int) -> None:
    value = ([np.bool_(True), np.bool_(False)], np.array([True, False, True]))
    assert read_plain(pickle.dumps(value, protocol=protocol), "x") == (
        [True, False],
        PlainArray("b1", (3,), b"\1\0\1"),
    )


class Runs:
    """Pickled as a call of a function of the system."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("was-run",)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_name_that_could_do_something_is_refused_by_name_and_not_run(
    protocol: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        DatasetError, match=r"x holds the name (posix|nt|os)\.mkdir, at byte \d+; .*nothing of it was"
    ):
        read_plain(pickle.dumps(([Runs()], [True]), protocol=protocol), "x")
    assert not (tmp_path / "was-run").exists()


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"a": b"b"}, "the instruction EMPTY_DICT"),
        ({b"a"}, r"the name builtins\.set|the instruction EMPTY_SET"),
        (1.5, "the instruction BINFLOAT"),
        (np.zeros(3, np.float32), "a call of numpy.dtype"),
        (np.array([b"x"], object), "a call of numpy.dtype"),
        (np.uint8(3), "a call of numpy.*scalar"),
        (Path("x"), r"the name pathlib"),
        (slice(1), r"the name builtins\.slice"),
    ],
)
def test_other_values_are_refused_by_what_they_are(value: object, found: str) -> None:
    with pytest.raises(DatasetError, match=found):
        read_plain(pickle.dumps(value, protocol=4), "x")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is no whole pickle"),
        (b"\x89PNG\r\n", "is no whole pickle|holds"),
        (pickle.dumps([b"abc"])[:-2], "is no whole pickle"),
        (pickle.dumps([b"abc"]) + b"more", "4 bytes after the end"),
        (b"\x80\x02K\x01K\x02.", "leaves 2 values"),
        (b"\x80\x02.", "leaves 0 values"),
        (b"\x80\x02a.", "lacks its value"),
        (b"\x80\x02(a.", "lacks its value"),
        (b"\x80\x02e.", "lacks its values"),
        (b"\x80\x02h\x05.", "a reference to value 5"),
        (b"\x80\x02K\x01K\x02a.", "an item for a int"),
        (b"\x80\x02(i" + b"os\nsystem\n.", "the instruction INST"),
        (b"\x80\x02K\x01K\x02R.", "a call of a int"),
        (b"\x80\x02]K\x02b.", "a state for a list"),
        (b"\x80\x02cos\nsystem\nU\x02ls\x85R.", r"the name os\.system"),
        (b"\x80\x04K\x01K\x02\x93.", "a name that is no text"),
        (b"\x80\x02P1\n.", "the instruction PERSID"),
        (python_2_array(b"abc").replace(b"K\x03K\x01\x86", b"K\x04K\x01\x86") + b".", "2 dimensions"),
    ],
)
def test_a_damaged_or_crafted_pickle_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        read_plain(data, "x")


@pytest.mark.filterwarnings("ignore:invalid escape sequence")
@settings(deadline=None)
@given(st.data())
def test_a_pickle_with_a_changed_byte_is_read_or_refused_and_nothing_else(data: st.DataObject) -> None:
    image = np.arange(9, dtype=np.uint8)
    whole = pickle.dumps(
        ([b"ab", bytearray(b"c"), image], [True, np.bool_(False)]),
        protocol=data.draw(st.sampled_from(PROTOCOLS)),
    )
    changed = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    read_or_refused(bytes(changed))


@pytest.mark.filterwarnings("ignore:invalid escape sequence")
@settings(deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused_and_nothing_else(data: bytes) -> None:
    read_or_refused(b"\x80\x04" + data + b".")


@pytest.mark.parametrize(
    "form", ["python 2", "python 2 arrays", *map(str, PROTOCOLS), "arrays", "bool array"]
)
def test_a_file_gives_its_pairs_in_ten_runs_however_it_was_written(tmp_path: Path, form: str) -> None:
    images, same = crops(40), [at % 2 == 0 for at in range(20)]
    path = tmp_path / "lfw.bin"
    if form == "python 2":
        path.write_bytes(python_2_file(images, same))
    elif form == "python 2 arrays":
        images = [bytes([at, 255]) for at in range(40)]
        labels = b"".join(b"\x88" if is_same else b"\x89" for is_same in same)
        path.write_bytes(b"\x80\x02](" + b"".join(map(python_2_array, images)) + b"e](" + labels + b"e\x86.")
    elif form == "arrays":
        write_bin(path, ([np.frombuffer(image, np.uint8).reshape(-1, 1) for image in images], same))
    elif form == "bool array":
        write_bin(path, [images, np.array(same)])
    else:
        write_bin(path, (images, same), protocol=int(form))
    data = open_bin(path)
    assert (data.protocol, data.title, data.aligned) == ("bin-lfw", "lfw.bin", True)
    assert data.pairs[:3] == (
        Pair("00000", "00001", True, 0),
        Pair("00002", "00003", False, 0),
        Pair("00004", "00005", True, 1),
    )
    assert [content for _, content in data.images.read()] == images
    assert data.images.names == tuple(f"{at:05d}" for at in range(40))


def test_an_image_that_stands_there_twice_is_one_image(tmp_path: Path) -> None:
    images = crops(40)
    images[7] = images[2]
    images[8] = images[9]
    data = open_bin(write_bin(tmp_path / "x.bin", (images, [at % 2 == 0 for at in range(20)])))
    assert data.pairs[3] == Pair("00006", "00002", False, 1)
    assert len(data.images.names) == 38
    assert data.remarks == (
        "In 1 of the pairs an image is compared with itself; they count like all others.",
    )


def test_the_digest_is_that_of_the_images_and_not_of_the_way_they_were_written(tmp_path: Path) -> None:
    images, same = crops(40), [at % 2 == 0 for at in range(20)]
    one = open_bin(write_bin(tmp_path / "one.bin", (images, same), 2))
    other = open_bin(write_bin(tmp_path / "other.bin", (images, same), 5))
    assert one.images.digest == other.images.digest
    assert one.lists_digest != other.lists_digest
    changed = open_bin(write_bin(tmp_path / "changed.bin", (images[::-1], same)))
    assert changed.images.digest != one.images.digest


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ((crops(3), [True, False]), "holds 3 images for 2 pairs; there must be two a pair"),
        ((crops(4), [True, False]), "holds 2 pairs; 10 folds need 10 at least"),
        ((crops(40), [True] * 20), "has no impostor pair"),
        ((crops(40), [1] * 20), "pair 0 should have True or False, it has a value of type int"),
        ((["text"] * 40, [True] * 20), "image 0 should be a byte string, it is a value of type str"),
        (([b""] * 40, [True] * 20), "image 0 should be a byte string, it is a byte string of 0 bytes"),
        (
            ([np.zeros((4, 4, 3), np.uint8)] * 40, [True] * 20),
            r"image 0 .* an array of u1 of shape \(4, 4, 3\)",
        ),
        ((crops(40), b"abc"), "its second part should be a list of booleans, it is a byte string of 3 bytes"),
        ([crops(40)], "does not hold two lists"),
        ((b"abc", [True]), "does not hold two lists"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, value: object, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        open_bin(write_bin(tmp_path / "x.bin", value))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"none\.bin cannot be read: No such file"):
        open_bin(tmp_path / "none.bin")
