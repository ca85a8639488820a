"""Tar shards: any archive of the two layouts, an index that is kept, damage that is named, and a full disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import tempfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.data.crops import Drawn, jpeg, picture, png, tar
from training.data import shards as shards_module
from training.data.records import BadData, BadRecord
from training.data.shard_writer import Sample, write_shard, write_shards
from training.data.shards import Shards
from training.data.tar import header

BESIDE = Path(os.environ.get("COCIRCLE_DATA") or Path(__file__).parents[3].parent / "shared")
PROJECT = Path(__file__).parents[3]


def labelled(number: int, label: object, suffix: str = "cls") -> dict[str, bytes]:
    text = json.dumps({"label": label}) if suffix == "json" else str(label)
    return {f"{number:03d}.png": png(number), f"{number:03d}.{suffix}": text.encode()}


def names(shards: Shards) -> list[str]:
    return [shards.class_names[number] for number in range(shards.classes)]


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.one_of(st.integers(0, 3), st.integers(0, 2**63 - 1)), min_size=1, max_size=8), st.booleans()
)
def test_labels_beside_the_images_become_dense_in_the_order_of_the_numbers(
    labels: list[int], as_json: bool
) -> None:
    with tempfile.TemporaryDirectory() as place:
        for number, label in enumerate(labels):
            tar(Path(place) / f"s-{number % 3}.tar", labelled(number, label, "json" if as_json else "cls"))
        last = {f"s-{number % 3}": (number, label) for number, label in enumerate(labels)}
        shards = Shards(Path(place))
        kept = [last[shard] for shard in sorted(last)]
        ordered = sorted({label for _, label in kept})
        assert names(shards) == [str(label) for label in ordered]
        assert shards.labels.tolist() == [ordered.index(label) for _, label in kept]
        for index, (number, _) in enumerate(kept):
            assert (shards.image(index) == picture(number)).all()
            assert shards.name(index) == f"{number:03d}.png in s-{number % 3}.tar"


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_images_in_folders_of_identities_are_found_whatever_wrote_the_archive(
    tmp_path: Path, form: int
) -> None:
    deep = "/".join(["far"] * 20)
    members = {
        f"{deep}/Zoë/1.2.png": png(0),
        f"{deep}/Zoë/1.3.png": png(1),
        f"{deep}/Adam/{'n' * 90}.JPG": jpeg(2),
        "readme.txt": b"x",
    }
    shards = Shards(tar(tmp_path / "a.tar", members, format=form))
    assert names(shards) == ["Adam", "Zoë"]
    assert shards.labels.tolist() == [1, 1, 0]
    assert [shards.encoded(index) for index in range(3)] == [png(0), png(1), jpeg(2)]


def test_an_identity_may_lie_in_several_shards_and_links_are_no_images(tmp_path: Path) -> None:
    tar(tmp_path / "b.tar", {"y/1.png": png(2), "x/2.png": png(3)})
    with tarfile.open(tar(tmp_path / "a.tar", {"x/1.png": png(0)}), "a") as archive:
        link = tarfile.TarInfo("x/link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "1.png"
        archive.addfile(link)
    shards = Shards(tmp_path)
    assert shards.labels.tolist() == [0, 1, 0]
    assert shards.name(2) == "x/2.png in b.tar"


def test_two_layouts_in_one_set_are_refused(tmp_path: Path) -> None:
    tar(tmp_path / "a.tar", labelled(0, 5))
    tar(tmp_path / "b.tar", {"x/1.png": png(0)})
    with pytest.raises(BadData, match=r"a\.tar have labels beside them and those of b\.tar lie in folders"):
        Shards(tmp_path)


def test_written_shards_are_read_back_with_their_classes_and_by_tarfile(tmp_path: Path) -> None:
    told: list[int] = []
    drawn = Drawn([2, 0, 2, 2, 0], classes=4)
    paths = write_shards(tmp_path / "set", drawn, per_shard=2, progress=told.append)
    assert told == [2, 4, 5]
    shards = Shards(tmp_path / "set")
    assert shards.classes == 4
    assert names(shards) == ["0", "1", "2", "3"]
    assert shards.labels.tolist() == [2, 0, 2, 2, 0]
    assert [shards.encoded(index) for index in range(5)] == [png(index) for index in range(5)]
    with tarfile.open(paths[1]) as archive:
        assert archive.getnames() == ["000000002.png", "000000002.json", "000000003.png", "000000003.json"]
        about = archive.extractfile("000000002.json")
        assert about is not None
        assert json.loads(about.read()) == {"label": 2, "name": "drawn-2"}


def test_equal_records_give_equal_bytes(tmp_path: Path) -> None:
    for place in ("one", "other"):
        write_shards(tmp_path / place, Drawn([0, 1, 1]), per_shard=2)
    files = [sorted((tmp_path / place).iterdir()) for place in ("one", "other")]
    assert [path.name for path in files[0]] == [
        "class_names.txt",
        "shard-000000.tar",
        "shard-000001.tar",
        "shards.json",
    ]
    assert [path.read_bytes() for path in files[0]] == [path.read_bytes() for path in files[1]]


def test_names_of_classes_travel_with_the_shards(tmp_path: Path) -> None:
    source = Shards(tar(tmp_path / "a.tar", {"b/1.png": png(0), "a/1.png": png(1)}))
    write_shards(tmp_path / "set", source)
    copy = Shards(tmp_path / "set")
    assert names(copy) == ["a", "b"]
    assert copy.labels.tolist() == [1, 0]


def test_an_index_is_kept_and_built_again_when_a_shard_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scanned: list[str] = []
    scan = shards_module.scan_shard
    monkeypatch.setattr(shards_module, "scan_shard", lambda path: (scanned.append(path.name), scan(path))[1])
    tar(tmp_path / "a.tar", labelled(0, 7) | labelled(1, 2**62))
    tar(tmp_path / "b.tar", labelled(2, 2**62))
    first = Shards(tmp_path)
    again = Shards(tmp_path)
    assert scanned == ["a.tar", "b.tar"]
    assert again.labels.tolist() == first.labels.tolist() == [0, 1, 1]
    assert names(again) == names(first) == ["7", str(2**62)]
    assert isinstance(again.labels.base, np.memmap)
    tar(tmp_path / "b.tar", labelled(2, 9) | labelled(3, 9))
    assert Shards(tmp_path).labels.tolist() == [0, 2, 1, 1]
    assert scanned == ["a.tar", "b.tar"] * 2
    assert len(list(tmp_path.glob(".cocircle-index-*.npy"))) == 5


def test_a_damaged_cache_is_built_again(tmp_path: Path) -> None:
    tar(tmp_path / "a.tar", {"x/1.png": png(0), "y/1.png": png(1)})
    cache = tmp_path / "cache"
    expected = Shards(tmp_path, cache=cache).labels.tolist()
    for path in cache.iterdir():
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        again = Shards(tmp_path, cache=cache)
        assert again.labels.tolist() == expected
        assert names(again) == ["x", "y"]
        path.write_bytes(whole)
    assert not list(tmp_path.glob(".*"))


def test_two_sets_share_a_cache_without_meeting(tmp_path: Path) -> None:
    for place, identity in (("one/set", "x"), ("other/set", "y")):
        (tmp_path / place).mkdir(parents=True)
        tar(tmp_path / place / "a.tar", {f"{identity}/1.png": png(0)})
        os.utime(tmp_path / place / "a.tar", (0, 0))
    for _ in range(2):
        assert [
            names(Shards(tmp_path / place / "set", cache=tmp_path / "c")) for place in ("one", "other")
        ] == [["x"], ["y"]]


def test_nothing_is_written_beside_shards_that_nobody_may_write_to(tmp_path: Path) -> None:
    tar(tmp_path / "a.tar", {"x/1.png": png(0)})
    tmp_path.chmod(0o555)
    try:
        assert len(Shards(tmp_path)) == 1
        assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]
    finally:
        tmp_path.chmod(0o755)


def test_an_index_that_cannot_be_kept_is_a_warning(tmp_path: Path) -> None:
    tar(tmp_path / "a.tar", {"x/1.png": png(0)})
    code = (
        "import resource, signal, sys; from pathlib import Path; from training.data.shards import Shards\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))\n"
        "sys.stdout.write(str(len(Shards(Path(sys.argv[1])))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == "1"
    assert "is not kept, so it will be built again: [Errno 27] File too large" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]


def _complete(members: dict[str, bytes], cut: int) -> int:
    """Records of image and label that are whole in the first `cut` bytes of their tar."""
    at, whole = 0, 0
    for number, data in enumerate(members.values()):
        whole += number % 2 == 1 and at + 512 + len(data) <= cut
        at += 512 + -(-len(data) // 512) * 512
    return whole


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 1))
def test_a_truncated_shard_is_named_with_its_complete_records_or_read_as_far_as_it_goes(part: float) -> None:
    members = labelled(0, 4) | labelled(1, 5) | labelled(2, 4)
    with tempfile.TemporaryDirectory() as place:
        whole = tar(Path(place) / "cut.tar", members).read_bytes()
        end = sum(512 + -(-len(data) // 512) * 512 for data in members.values())
        cut = int(part * (end + 511))
        complete = _complete(members, cut)
        (Path(place) / "cut.tar").write_bytes(whole[:cut])
        tar(Path(place) / "whole.tar", labelled(3, 5))
        with pytest.raises(BadData, match=f"cut.tar has {complete} complete records: it ends at byte {cut}"):
            Shards(Path(place))
        shards = Shards(Path(place), damaged="skip")
        assert len(shards) == complete + 1
        assert [(damage.file, damage.complete, damage.lost) for damage in shards.damage] == [
            ("cut.tar", complete, 1)
        ]
        assert [shards.encoded(index) for index in range(complete)] == [
            png(index) for index in range(complete)
        ]


def test_a_manifest_knows_how_many_records_a_cut_shard_lost_and_which_shards_are_gone(tmp_path: Path) -> None:
    paths = write_shards(tmp_path, Drawn([0, 1] * 5), per_shard=4)
    os.truncate(paths[0], paths[0].stat().st_size // 2)
    paths[2].unlink()
    with pytest.raises(
        BadData, match=r"shard-000000\.tar has 2 .*\n.*shard-000002\.tar has 0 complete records: it is not"
    ):
        Shards(tmp_path)
    shards = Shards(tmp_path, damaged="skip")
    assert [(damage.complete, damage.lost) for damage in shards.damage] == [(2, 2), (0, 2)]
    assert len(shards) == 6


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 6 * 1024), st.integers(1, 255))
def test_a_shard_with_any_wrong_byte_is_read_or_refused_but_never_crashes(at: int, change: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        path = tar(Path(place) / "a.tar", labelled(0, 1) | labelled(1, 2, "json"))
        data = bytearray(path.read_bytes())
        data[at % len(data)] ^= change
        path.write_bytes(data)
        with suppress(BadData, BadRecord):
            shards = Shards(path, damaged="skip")
            for index in range(len(shards)):
                shards.image(index)


@pytest.mark.parametrize(
    ("label", "suffix", "complaint"),
    [
        ("seven", "cls", r"its \.cls holds b'seven', which is no whole number"),
        ("1.5", "cls", "no whole number"),
        ("1_0", "cls", "no whole number"),
        ("", "cls", "no whole number"),
        ("-3", "cls", "gives the label -3, which is outside 0..2\\^63-1"),
        (2**63, "cls", f"gives the label {2**63}, which is outside"),
        (2**63, "json", f"gives the label {2**63}, which is outside"),
        ("9" * 5000, "cls", "no whole number"),
        (3.0, "json", r"its \.json gives the label 3\.0, which is no whole number"),
        (True, "json", "the label True, which is no whole number"),
        ("3", "json", "the label '3', which is no whole number"),
        (None, "json", "the label None"),
    ],
)
def test_a_label_that_is_none_is_named_or_left_out(
    tmp_path: Path, label: object, suffix: str, complaint: str
) -> None:
    path = tar(tmp_path / "a.tar", labelled(0, 1) | labelled(1, label, suffix) | labelled(2, 2))
    with pytest.raises(BadData, match=rf"a\.tar has 2 complete records: 001: .*{complaint}"):
        Shards(path)
    shards = Shards(path, damaged="skip")
    assert shards.labels.tolist() == [0, 1]
    assert shards.damage[0].lost == 1


@pytest.mark.parametrize(
    ("members", "complaint"),
    [
        ({"001.png": b"x"}, r"001: it has no \.cls or \.json"),
        ({"001.cls": b"1"}, "001: it has a label but no image"),
        ({"001.png": b"x", "001.json": b"[1]"}, r"001: its \.json is no JSON object: b'\[1\]'"),
        ({"001.png": b"x", "001.json": b'{"label": '}, r"001: its \.json is no JSON \("),
        ({"001.png": b"x", "001.jpg": b"x", "001.cls": b"1"}, "001: two images have this name"),
        (
            {"001.png": b"x", "001.cls": b"1", "001.json": b'{"label": 2}'},
            r"001: its \.cls and \.json say 1 and 2",
        ),
        ({"x/001.png": b"x"}, "1 images have no label beside them, unlike the others"),
    ],
)
def test_a_record_that_is_not_one_is_named(tmp_path: Path, members: dict[str, bytes], complaint: str) -> None:
    path = tar(tmp_path / "a.tar", labelled(0, 1) | members | labelled(2, 2))
    with pytest.raises(BadData, match=complaint):
        Shards(path)
    assert len(Shards(path, damaged="skip")) == 2


def test_labels_outside_the_classes_are_named_or_left_out(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", labelled(0, 0) | labelled(1, 70210) | labelled(2, 3) | labelled(3, 2**60))
    with pytest.raises(
        BadData, match=r"a\.tar has 2 complete .*label 70210 of the image at byte \d+ is outside 0\.\.4"
    ):
        Shards(path, classes=5)
    shards = Shards(path, classes=5, damaged="skip")
    assert shards.labels.tolist() == [0, 3]
    assert (shards.classes, shards.damage[0].lost) == (5, 2)
    assert (shards.image(1) == picture(2)).all()
    assert Shards(path, classes=2**61).labels.tolist() == [0, 70210, 3, 2**60]


def test_named_identities_are_not_renumbered(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", {"x/1.png": png(0)})
    assert Shards(path, classes=1).classes == 1
    with pytest.raises(BadData, match=r"7 classes were asked for; a\.tar hold 1 identities"):
        Shards(path, classes=7)


def test_a_corrupt_image_is_named(tmp_path: Path) -> None:
    shards = Shards(tar(tmp_path / "a.tar", {"x/1.jpg": jpeg(0)[:-50], "x/2.jpg": jpeg(1)}))
    with pytest.raises(BadRecord, match=r"x/1\.jpg in a\.tar: damaged JPEG"):
        shards.image(0)
    assert shards.image(1).shape == (112, 112, 3)


def test_a_shard_that_becomes_shorter_while_it_is_read_is_named(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", {"x/1.png": png(0)})
    shards = Shards(path)
    os.truncate(path, 600)
    with pytest.raises(BadRecord, match=r"the image at byte 512 in .*a\.tar: the file ends after 600 of its"):
        shards.image(0)


def test_more_shards_than_may_be_open_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.data.files._OPEN", 2)
    for number in range(6):
        tar(tmp_path / f"{number}.tar", {"x/1.png": png(number)})
    shards = Shards(tmp_path)
    before = len(os.listdir("/proc/self/fd"))
    for index in [0, 1, 2, 3, 4, 5, 0, 3]:
        assert shards.encoded(index) == png(index)
    assert len(os.listdir("/proc/self/fd")) <= before + 2


def test_places_without_shards_say_so(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"no shards at .*: neither a folder nor a file"):
        Shards(tmp_path / "nowhere")
    with pytest.raises(BadData, match=r"holds no \.tar file"):
        Shards(tmp_path)
    with pytest.raises(BadData, match="holds no images with a label"):
        Shards(tar(tmp_path / "a.tar", {"readme.txt": b"x"}))
    (tmp_path / "b.tar").write_bytes(b"no tar at all" * 100)
    with pytest.raises(
        BadData, match=r"b\.tar has 0 complete records: what stands at byte 0 is no tar header"
    ):
        Shards(tmp_path / "b.tar", damaged="skip")


def test_a_finished_set_and_foreign_shards_are_not_written_over(tmp_path: Path) -> None:
    write_shards(tmp_path / "set", Drawn([0]))
    with pytest.raises(FileExistsError, match="holds a finished set of shards"):
        write_shards(tmp_path / "set", Drawn([1, 0]))
    tar(tmp_path / "mine.tar", {"x/1.png": png(0)})
    with pytest.raises(FileExistsError, match=r"holds mine\.tar, which is of no set"):
        write_shards(tmp_path, Drawn([0]))
    tar(tmp_path / "set" / "extra.tar", {"x/1.png": png(0)})
    with pytest.raises(BadData, match=r"holds extra\.tar, which its shards\.json does not know"):
        Shards(tmp_path / "set")


def test_a_sample_that_cannot_be_written_is_named_and_leaves_no_shard(tmp_path: Path) -> None:
    samples = [Sample("0", png(0), 0, {}), Sample("1", b"GIF89a", 0, {})]
    with pytest.raises(
        BadRecord, match="1 in the samples: it is no image of a known type: it begins with b'GIF89a'"
    ):
        write_shard(tmp_path / "a.tar", samples)
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match=r"a name without a dot; it is 'a\.b'"):
        Sample("a.b", png(0), 0, {})
    with pytest.raises(ValueError, match=r"label -1 of a is outside 0\.\."):
        Sample("a", png(0), -1, {})
    with pytest.raises(ValueError, match="at most 100 bytes here"):
        header("n" * 101, 0)
    with pytest.raises(ValueError, match="per_shard is 0"):
        write_shards(tmp_path, Drawn([0]), per_shard=0)


FULL = """
import resource, signal, sys
from pathlib import Path
from tests.training.data.crops import Drawn
from training.data.shard_writer import write_shards
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
drawn = Drawn([0, 1, 0, 1, 0, 1])
plain = drawn.encoded(4)
drawn._encoded[4] = plain + bytes(100_000)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    write_shards(Path(sys.argv[1]), drawn, per_shard=2)
except OSError as error:
    print(error)
"""


def test_a_full_disk_names_the_shard_and_leaves_a_set_that_is_refused_until_it_is_written_again(
    tmp_path: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    expected = f"[Errno 27] {tmp_path}/shard-000002.tar is not written; the shards before it hold 4 records"
    assert done.stdout.strip() == f"{expected}: File too large"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "shard-000000.tar",
        "shard-000001.tar",
        "shards.json",
    ]
    with pytest.raises(BadData, match="were not written to the end; write them again"):
        Shards(tmp_path)
    write_shards(tmp_path, Drawn([0, 1, 0]))
    assert len(Shards(tmp_path)) == 3


@pytest.mark.data
@pytest.mark.skipif(
    not (BESIDE / "data/celeba-faces").is_dir(), reason=f"no faces at {BESIDE}; set COCIRCLE_DATA"
)
def test_the_faces_beside_the_project_are_29_545_of_6_100_people(tmp_path: Path) -> None:
    shards = Shards(BESIDE / "data/celeba-faces", cache=tmp_path)
    assert (len(shards), shards.classes) == (29_545, 6_100)
    assert names(shards) == sorted(names(shards))
    for index in range(0, len(shards), 997):
        identity, _, file = shards.name(index).partition("/")
        assert identity == shards.class_names[int(shards.labels[index])]
        assert shards.image(index).shape == (112, 112, 3), file
