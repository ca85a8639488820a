"""Reading Market-1501, MSMT17 and lists of one's own: what is accepted, and how each mistake is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluation.datasets.images import DatasetError
from evaluation.datasets.market import open_market
from evaluation.datasets.msmt import open_msmt
from evaluation.datasets.retrieval_csv import open_retrieval, parse_list
from evaluation.datasets.retrieval_set import RetrievalImage, Role, retrieval_set

QUERY = "query/0002_c1s1_000451_00.jpg"
GALLERY = (
    "bounding_box_test/-1_c1s1_000401_03.jpg",
    "bounding_box_test/0000_c4s6_018101_01.jpg",
    "bounding_box_test/0002_c1s1_000551_01.jpg",
    "bounding_box_test/0002_c3s1_000551_01.jpg",
)


def write(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(f"content of {name}".encode())
    return folder


def lists(folder: Path, query: str, gallery: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "list_query.txt").write_text(query)
    (folder / "list_gallery.txt").write_text(gallery)
    return folder


def test_market_is_read_from_names_of_files_and_junk_is_not_ranked(tmp_path: Path) -> None:
    write(
        tmp_path, QUERY, *GALLERY, "bounding_box_train/0001_c1s1_001051_00.jpg", "bounding_box_test/Thumbs.db"
    )
    market = open_market(tmp_path)
    assert market.images == (
        RetrievalImage("bounding_box_test/0000_c4s6_018101_01.jpg", "0000", "4", Role.GALLERY),
        RetrievalImage("bounding_box_test/0002_c1s1_000551_01.jpg", "0002", "1", Role.GALLERY),
        RetrievalImage("bounding_box_test/0002_c3s1_000551_01.jpg", "0002", "3", Role.GALLERY),
        RetrievalImage(QUERY, "0002", "1", Role.QUERY),
    )
    assert market.junk == 1
    assert market.queries == [3]
    assert market.gallery == [0, 1, 2]
    assert market.has_cameras
    assert dict(market.listed.read())[QUERY] == f"content of {QUERY}".encode()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), r"no query/ in"),
        ((QUERY,), r"no bounding_box_test/ in"),
        ((QUERY, "bounding_box_test/readme.txt"), "bounding_box_test holds no images"),
        ((QUERY, GALLERY[0]), "none of 1 images is in the gallery"),
        (
            (QUERY, "bounding_box_test/person7.jpg"),
            r"person7\.jpg is not called like 0001_c1s1_000151_01\.jpg",
        ),
        ((QUERY, "bounding_box_test/12_c1s1_000151_01.jpg"), "12_c1s1_000151_01.jpg is not called like"),
        (
            (*GALLERY, "query/-1_c1s1_000151_00.jpg"),
            "the query query/-1_.* has the identity -1, which is no person",
        ),
        ((*GALLERY, "query/0000_c1s1_000151_00.jpg"), "has the identity 0000"),
    ],
)
def test_what_is_wrong_with_a_market_folder_is_named(
    tmp_path: Path, names: tuple[str, ...], message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        open_market(write(tmp_path, *names))


@pytest.mark.parametrize("version", ["test", "mask_test_v2"])
def test_both_versions_of_msmt17_are_read_from_their_lists(tmp_path: Path, version: str) -> None:
    names = ("0000/0000_000_01_0303morning_0015_0.jpg", "0001/0001_019_07_0303morning_0020_1.jpg")
    write(tmp_path / version, *names)
    lists(tmp_path, f"{names[0]} 0\n", f"{names[1]} 42\n\n")
    msmt = open_msmt(tmp_path)
    assert msmt.images == (
        RetrievalImage(names[0], "0", "1", Role.QUERY),
        RetrievalImage(names[1], "42", "7", Role.GALLERY),
    )
    assert msmt.root == tmp_path / version
    assert len(list(msmt.listed.read())) == 2


def test_a_list_is_enough_until_an_image_is_asked_for(tmp_path: Path) -> None:
    line = "0000/0000_000_01_0303morning_0015_0.jpg 0\n"
    msmt = open_msmt(lists(tmp_path, line, line.replace("_01_", "_02_")))
    digest = msmt.digest
    with pytest.raises(DatasetError, match=r"test: 0000/0000_000_01_0303morning_0015_0\.jpg cannot be read"):
        _ = msmt.listed.digest
    write(tmp_path / "test", line.split()[0])
    with pytest.raises(DatasetError, match=r"0000/0000_000_02.* cannot be read"):
        _ = msmt.listed.digest
    assert msmt.digest == digest


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", r"list_query\.txt is empty"),
        ("a_b_01_d.jpg\n", r"list_query\.txt, line 1: expected a path and an identity"),
        ("a_b_01_d.jpg 0\n\na_c_01_d.jpg 1\n", "line 2: expected a path and an identity, a number; found ''"),
        ("a_b_01_d.jpg x\n", "line 1: expected a path and an identity"),
        ("a_b_01_d.jpg -1\n", "line 1: expected a path and an identity"),
        ("../a_b_01_d.jpg 0\n", r"line 1: '\.\./a_b_01_d\.jpg' is no path below the folder"),
        ("/a_b_01_d.jpg 0\n", "line 1: '/a_b_01_d.jpg' is no path below the folder"),
        ("a_b_x_d.jpg 0\n", "line 1: a_b_x_d.jpg is not called like"),
        ("a.jpg 0\n", "line 1: a.jpg is not called like"),
        ("g_b_01_d.jpg 0\n", "g_b_01_d.jpg is listed twice"),
    ],
)
def test_a_malformed_msmt17_list_is_refused_naming_the_line(tmp_path: Path, query: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        open_msmt(lists(tmp_path, query, "g_b_01_d.jpg 0\n"))


def test_an_absent_msmt17_folder_or_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no MSMT17 at .*nowhere"):
        open_msmt(tmp_path / "nowhere")
    with pytest.raises(
        DatasetError, match=r"list_query\.txt cannot be read: No such file .* it is the query list"
    ):
        open_msmt(tmp_path)


def test_a_folder_for_each_identity_is_a_set_against_itself(tmp_path: Path) -> None:
    write(tmp_path, "ada/1.jpg", "ada/2.PNG", "bo/1.jpg", "bo/notes.txt", "loose.jpg", "ada/deep/3.jpg")
    own = open_retrieval(tmp_path)
    assert [(image.name, image.identity) for image in own.images] == [
        ("ada/1.jpg", "ada"),
        ("ada/2.PNG", "ada"),
        ("bo/1.jpg", "bo"),
    ]
    assert own.queries == own.gallery == [0, 1, 2]
    assert not own.has_cameras
    with pytest.raises(DatasetError, match=r"holds no images laid out as identity/file\.jpg"):
        open_retrieval(tmp_path / "ada" / "deep")


def test_a_csv_may_say_cameras_and_roles_in_any_order_of_columns(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(
        '\ufeffrole,identity,image,camera\r\nquery, Ada ,"b, 1.jpg",7\r\ngallery,Ada,./a.jpg,8\r\nboth,Bo,c/d.jpg,8\r\n'
    )
    own = open_retrieval(tmp_path / "list.csv")
    assert own.images == (
        RetrievalImage("a.jpg", "Ada", "8", Role.GALLERY),
        RetrievalImage("b, 1.jpg", "Ada", "7", Role.QUERY),
        RetrievalImage("c/d.jpg", "Bo", "8", Role.BOTH),
    )
    assert own.root == tmp_path
    assert own.queries == [1, 2]
    assert own.gallery == [0, 2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: expected the columns image,identity .* found ''"),
        ("image\na.jpg\n", "line 1: expected the columns"),
        ("image,identity,colour\na.jpg,1,red\n", "line 1: .* found 'image,identity,colour'"),
        ("image,identity,identity\na.jpg,1,1\n", "line 1: expected the columns"),
        ("image,identity\n", "lists no images"),
        ("image,identity\na.jpg\n", "line 2: expected 2 cells, found 1"),
        ("image,identity\na.jpg,1\nb.jpg,2,3\n", "line 3: expected 2 cells, found 3"),
        ("image,identity\na.jpg, \n", "line 2: the identity is empty"),
        ("image,identity,camera\na.jpg,1,\n", "line 2: the camera is empty"),
        ("image,identity,role\na.jpg,1,probe\n", "line 2: the role is query, gallery or both, not 'probe'"),
        ("image,identity\n../a.jpg,1\n", r"line 2: '\.\./a\.jpg' is no path below the folder"),
        ("image,identity\na\\b.jpg,1\n", "line 2: .* is no path below the folder"),
        ('image,identity\n"a.jpg"x,1\n', "line 2: no valid CSV"),
        ('image,identity\n"a.jpg,1\n', "no valid CSV"),
    ],
)
def test_a_malformed_csv_is_refused_naming_the_line(text: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        parse_list(text, "list.csv")


def test_a_csv_that_is_missing_or_no_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"nowhere\.csv cannot be read: No such file"):
        open_retrieval(tmp_path / "nowhere.csv")
    (tmp_path / "list.csv").write_bytes(b"image,identity\n\xff,1\n")
    with pytest.raises(DatasetError, match="is no UTF-8 text"):
        open_retrieval(tmp_path / "list.csv")


def test_a_set_needs_names_once_cameras_for_all_and_both_roles() -> None:
    def made(*images: RetrievalImage) -> None:
        retrieval_set("k", "t", Path("somewhere"), images, (1,))

    one, other = RetrievalImage("a.jpg", "1"), RetrievalImage("b.jpg", "1", "7")
    with pytest.raises(DatasetError, match=r"a\.jpg is listed twice"):
        made(one, one)
    with pytest.raises(DatasetError, match=r"a\.jpg has no camera, others have"):
        made(one, other)
    with pytest.raises(DatasetError, match="none of 1 images is a query"):
        made(RetrievalImage("a.jpg", "1", role=Role.GALLERY))
    with pytest.raises(DatasetError, match="none of 1 images is in the gallery"):
        made(RetrievalImage("a.jpg", "1", role=Role.QUERY))


def test_identity_camera_and_role_count_in_the_digest() -> None:
    def digest(*parts: str | None) -> str:
        image = RetrievalImage("a.jpg", parts[0] or "", parts[1])
        return retrieval_set("k", "t", Path("x"), (image,), (1,)).digest

    assert len({digest("1", None), digest("2", None), digest("1", "2"), digest("12", None)}) == 4


def test_an_image_of_a_type_that_is_not_read_is_named_before_any_is_opened(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("image,identity\na.tif,1\nb.jpg,1\n")
    with pytest.raises(DatasetError, match=r"a\.tif is of no type that is read; those are \.jpg"):
        list(open_retrieval(tmp_path / "list.csv").listed.read())
