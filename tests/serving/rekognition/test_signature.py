"""Our SigV4 makes what botocore makes, for any body, header value and time; secrets and replays keep their promises."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.keys import KeyRing, open_keys
from serving.rekognition.credentials import FILE, Credentials, access_key_id, find_key
from serving.rekognition.errors import AwsError
from serving.rekognition.replays import Replays
from serving.rekognition.signature import check_signature, read_signature, sign
from serving.scopes import Scope
from serving.settings import Settings
from tests.serving.rekognition.signing import Pair, signed

WORDS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40)


def read(headers: dict[str, str], body: bytes, secret: str) -> tuple[str, str]:
    """The signature that was sent, and the one we make."""
    found = read_signature(headers["Authorization"], headers["X-Amz-Date"])
    values = {name.lower(): [value] for name, value in headers.items()}
    return found.signature, sign(found, secret, values, body)


@given(
    st.binary(max_size=200),
    st.from_regex(r"[a-z]{2}-[a-z]{4,9}-[0-9]", fullmatch=True),
    WORDS,
    st.integers(-(10**7), 10**9),
    st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=40),
)
def test_our_signature_is_botocores(body: bytes, region: str, value: str, seconds: int, secret: str) -> None:
    pair = Pair("AKIDEXAMPLE", secret)
    headers, data = signed(
        pair, "ListFaces", body, region=region, seconds=seconds, headers={"X-Amz-Meta": value}
    )
    theirs, ours = read(headers, data, secret)
    assert theirs == ours


@given(st.binary(max_size=50), st.binary(max_size=50))
def test_another_body_or_another_secret_is_another_signature(body: bytes, other: bytes) -> None:
    headers, data = signed(Pair("AKIDEXAMPLE", "secret"), "ListFaces", body)
    theirs, _ = read(headers, data, "secret")
    assert (read(headers, other, "secret")[1] == theirs) == (other == body)
    assert read(headers, data, "Secret")[1] != theirs


def test_a_signature_that_differs_is_refused() -> None:
    headers, body = signed(Pair("A", "secret"), "ListFaces", b"{}")
    found = read_signature(headers["Authorization"], headers["X-Amz-Date"])
    values: Mapping[str, list[str]] = {name.lower(): [value] for name, value in headers.items()}
    check_signature(found, "secret", values, body)
    with pytest.raises(AwsError, match="does not match"):
        check_signature(found, "other", values, body)


def test_a_keys_secret_stays_the_same_and_belongs_to_that_key_alone(tmp_path: Path) -> None:
    with open_keys(Settings(home=tmp_path)) as ring:
        _stays_the_same_and_belongs_to_that_key_alone(ring, tmp_path)


def _stays_the_same_and_belongs_to_that_key_alone(ring: KeyRing, tmp_path: Path) -> None:
    one, other = (ring.find(ring.create("x", Scope.READ)) for _ in range(2))
    assert one is not None
    assert other is not None
    secrets = Credentials.open(tmp_path)
    assert Credentials.open(tmp_path).secret(one) == secrets.secret(one)
    assert secrets.secret(one) != secrets.secret(other)
    assert len(secrets.secret(one)) == 43
    assert find_key(ring, access_key_id(one)) == one
    assert find_key(ring, access_key_id(one).lower()) is None
    assert find_key(ring, one.id) is None
    elsewhere = Credentials.open(_folder(tmp_path / "elsewhere"))
    assert elsewhere.secret(one) != secrets.secret(one)


def test_the_master_secret_is_its_owners_alone_and_made_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: Credentials.open(tmp_path)._master, range(8)))
    assert len(set(made)) == 1
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_a_signature_is_remembered_until_it_would_be_refused_anyway() -> None:
    now = [1000.0]
    replays = Replays(clock=lambda: now[0])
    replays.claim("one", until=1300)
    now[0] = 1300.0
    with pytest.raises(AwsError, match="used before"):
        replays.claim("one", until=1300)
    now[0] = 1300.5
    replays.claim("one", until=1600)


def test_memory_of_signatures_is_bounded_and_comes_back() -> None:
    now = [1000.0]
    replays = Replays(most=3, clock=lambda: now[0])
    for name in "abc":
        replays.claim(name, until=1300)
    with pytest.raises(AwsError, match="More than 3") as caught:
        replays.claim("d", until=1300)
    assert caught.value.name == "ThrottlingException"
    now[0] = 1301.0
    replays.claim("d", until=1600)


def test_of_many_at_once_with_one_signature_one_gets_in() -> None:
    replays = Replays()

    def claim(_: int) -> bool:
        try:
            replays.claim("same", until=4e9)
        except AwsError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(claim, range(200))) == 1


def _folder(path: Path) -> Path:
    path.mkdir()
    return path
