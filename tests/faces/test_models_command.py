"""`cocircle models` and the download behind it: nothing is unpacked or kept unless everything is right."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from faces.manifest import PackError
from faces.pack import load_pack
from faces.pack_pull import pull_pack
from serving.cli.models import models_app

MANIFEST = (Path(__file__).parents[2] / "faces/packs/default/model.toml").read_text()
MINE = MANIFEST.replace('name = "default"', 'name = "mine"', 1).encode()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COCIRCLE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


class _Files(BaseHTTPRequestHandler):
    def __init__(self, files: dict[str, bytes], *args: object) -> None:
        self.files = files
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        data = self.files.get(self.path)
        if self.path == "/elsewhere":
            self.send_response(302)
            self.send_header("Location", "ftp://127.0.0.1/pack.tar")
            self.end_headers()
            return
        self.send_response(404 if data is None else 200)
        self.end_headers()
        self.wfile.write(data or b"")

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[tuple[str, dict[str, bytes]]]:
    files: dict[str, bytes] = {}
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Files, files))
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_address[1]}", files
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def _tar(members: dict[str, bytes], link: bool = False) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            if link:
                info.type, info.linkname, info.size = tarfile.SYMTYPE, "/etc/passwd", 0
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def _zip(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    "data",
    [_tar({"model.toml": MINE}), _tar({"pack/model.toml": MINE}), _zip({"pack/model.toml": MINE})],
    ids=["tar", "tar with a folder", "zip"],
)
def test_a_pulled_pack_can_be_loaded_by_name(
    server: tuple[str, dict[str, bytes]], home: Path, data: bytes
) -> None:
    url, files = server
    files["/p"] = data
    assert pull_pack(f"{url}/p", _sha(data), allow_http=True).name == "mine"
    assert load_pack("mine").contract_id == load_pack("default").contract_id
    assert [item.name for item in (home / "models").iterdir()] == ["mine"]


def _bad_archives() -> dict[str, tuple[bytes, str]]:
    return {
        "outside": (_tar({"../model.toml": MINE}), "outside the pack"),
        "absolute": (_tar({"/tmp/model.toml": MINE}), "outside the pack"),
        "zip outside": (_zip({"a/../../model.toml": MINE}), "outside the pack"),
        "link": (_tar({"model.toml": MINE}, link=True), "link or a device"),
        "no manifest": (_tar({"readme": b"x"}), "should hold one model.toml"),
        "two manifests": (_zip({"a/model.toml": MINE, "b/model.toml": MINE}), "should hold one model.toml"),
        "too many": (_zip({f"{at}": b"" for at in range(101)}), "more than 100 files"),
        "bomb": (_zip({"model.toml": MINE, "zeros": bytes(3_000_000)}), "unpacks to more than"),
        "no archive": (b"just text", "neither .tar nor .zip"),
        "damaged": (_zip({"model.toml": MINE})[:-8] + bytes(8), "damaged"),
        "bad manifest": (_tar({"model.toml": b"[pack]\n"}), "is missing"),
    }


@pytest.mark.parametrize("kind", _bad_archives())
def test_a_bad_archive_leaves_nothing_behind(
    server: tuple[str, dict[str, bytes]], home: Path, tmp_path: Path, kind: str
) -> None:
    url, files = server
    files["/p"], words = _bad_archives()[kind]
    with pytest.raises(PackError, match=words.replace(".", r"\.")):
        pull_pack(f"{url}/p", _sha(files["/p"]), allow_http=True, max_bytes=1_000_000)
    assert list((home / "models").iterdir()) == []
    assert [item.name for item in tmp_path.iterdir()] == ["home"]


def test_a_wrong_hash_is_refused_before_anything_is_unpacked(server: tuple[str, dict[str, bytes]]) -> None:
    url, files = server
    files["/p"] = _tar({"model.toml": MINE})
    with pytest.raises(PackError, match="nothing was unpacked"):
        pull_pack(f"{url}/p", "0" * 64, allow_http=True)
    with pytest.raises(PackError, match="64 hexadecimal"):
        pull_pack(f"{url}/p", "abc", allow_http=True)


def test_only_https_is_fetched_also_after_a_redirect(server: tuple[str, dict[str, bytes]]) -> None:
    url, files = server
    files["/p"] = _tar({"model.toml": MINE})
    with pytest.raises(PackError, match="https only"):
        pull_pack(f"{url}/p", _sha(files["/p"]))
    with pytest.raises(PackError):
        pull_pack(f"{url}/elsewhere", _sha(files["/p"]), allow_http=True)
    with pytest.raises(PackError, match="404"):
        pull_pack(f"{url}/nothing", _sha(files["/p"]), allow_http=True)
    with pytest.raises(PackError, match="more than 10 bytes"):
        pull_pack(f"{url}/p", _sha(files["/p"]), allow_http=True, max_bytes=10)


@pytest.mark.data
def test_the_one_awaited_file_can_be_pulled_alone(server: tuple[str, dict[str, bytes]], beside: Path) -> None:
    url, files = server
    files["/m"] = (beside / "models/retail-0095/face-reidentification-retail-0095.onnx").read_bytes()
    assert pull_pack(f"{url}/m", _sha(files["/m"]), allow_http=True).name == "retail-0095"


def _run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(models_app, list(words))
    return result.exit_code, result.output


def test_list_and_show_speak_json() -> None:
    code, text = _run("list", "--json")
    packs = {item["name"]: item for item in json.loads(text)}
    assert code == 0
    assert packs["default"]["ready"]
    assert not packs["retail-0095"]["ready"]
    assert "cocircle models add" in packs["retail-0095"]["problem"]
    code, text = _run("show", "default", "--json")
    assert json.loads(text) == packs["default"]
    assert _run("show", "nobody")[0] == 1
    assert "sface-2021dec" in _run("show", "default")[1]
    assert "file to fetch" in _run("list")[1]


def test_verify_fails_for_a_damaged_pack_and_not_for_one_never_fetched(home: Path, tmp_path: Path) -> None:
    assert _run("verify")[0] == 0
    code, text = _run("verify", "retail-0095")
    assert code == 1
    assert "is missing" in text
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/model.toml").write_bytes(MINE)
    code, text = _run("add", str(tmp_path / "mine"))
    assert code == 0
    assert "sface-2021dec-635d76998c92" in text
    installed = home / "models/mine/model.toml"
    installed.write_text(installed.read_text().replace("fb143eea", "00000000"))
    code, text = _run("verify", "--json")
    assert code == 1
    assert {item["name"]: item["ok"] for item in json.loads(text)} == {"default": True, "mine": False}
    assert "damaged" in _run("list")[1]


def test_pull_on_the_command_line_says_what_it_added_or_why_not(server: tuple[str, dict[str, bytes]]) -> None:
    url, files = server
    files["/p"] = _tar({"model.toml": MINE})
    code, text = _run("pull", f"{url}/p", "--sha256", _sha(files["/p"]), "--allow-http")
    assert code == 0, text
    assert "mine added" in text
    code, text = _run("pull", f"{url}/p", "--sha256", _sha(files["/p"]))
    assert code == 1
    assert "https only" in text
