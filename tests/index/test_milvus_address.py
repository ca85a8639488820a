"""The address of a Milvus is read strictly, and what it holds of a secret is shown nowhere."""

import pytest

from index.engine.milvus_address import MilvusAddress, milvus_address
from index.settings import GallerySettings


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://milvus:19530", MilvusAddress("http://milvus:19530", "", "")),
        ("http://10.0.0.1", MilvusAddress("http://10.0.0.1:19530", "", "")),
        ("https://root:p%40ss@host:443/faces", MilvusAddress("https://host:443", "root:p@ss", "faces")),
        ("https://token@[::1]:19530/", MilvusAddress("https://[::1]:19530", "token", "")),
    ],
)
def test_an_address_is_taken_apart(text: str, expected: MilvusAddress) -> None:
    assert milvus_address(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "milvus:19530", "/var/milvus.db", "ftp://hidden@h", "http://hidden@h:x", "http://:hidden@/d"),
        *("http://hidden@h/a/b", "http://hidden@h?x=1", "http://hidden@h/a-b"),
    ],
)
def test_what_is_no_address_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="Milvus") as refused:
        milvus_address(text)
    assert "hidden" not in str(refused.value)


def test_a_secret_is_not_shown(tmp_path) -> None:
    settings = GallerySettings(tmp_path, engine="milvus", milvus="https://root:hidden@host")
    assert "hidden" not in repr(settings) + repr(milvus_address(settings.milvus))


def test_the_engine_needs_an_address(tmp_path) -> None:
    with pytest.raises(ValueError, match="needs the address"):
        GallerySettings(tmp_path, engine="milvus")
