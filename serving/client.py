"""A typed client of the REST service: one method a route, answers as the wire's own schemas, refusals as exceptions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel

from serving import schemas

Answer = TypeVar("Answer", bound=BaseModel)
Photo = bytes | Path
"""An encoded image, or the file that holds one."""

BUSY = (429, 503)


class ApiFailure(Exception):
    """The service refused or could not answer. code and details are the envelope's."""

    def __init__(
        self, status: int, code: str, message: str, details: dict[str, Any], request_id: str | None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = details
        self.request_id = request_id


class Client:
    """Talks to one service. Thread-safe; use it as a context manager or `close` it.

    A request that meets a busy service (429 or 503) is sent again up to `retries` times, after the time the
    service asks for; only requests that cannot write twice are: reads, and writes with an idempotency key.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        timeout: float = 60.0,
        retries: int = 5,
        transport: httpx.BaseTransport | None = None,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout, transport=transport)
        self._retries = retries
        self._wait = wait

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connections."""
        self._http.close()

    # photos

    def detect(self, photo: Photo) -> schemas.DetectOut:
        """Every face of a photo, largest first."""
        return self._read(schemas.DetectOut, "POST", "/v1/detect", files=_files(image=photo))

    def embeddings(self, photo: Photo, faces: str = "all") -> schemas.EmbeddingsOut:
        """Templates of a photo's faces."""
        options = {"faces": faces}
        return self._read(
            schemas.EmbeddingsOut, "POST", "/v1/embeddings", params=options, files=_files(image=photo)
        )

    def verify(
        self,
        photo_a: Photo,
        photo_b: Photo,
        *,
        threshold: float | None = None,
        max_fmr: float | None = None,
        faces: str = "largest",
    ) -> schemas.VerifyOut:
        """Do two photos show one person?"""
        options = _given(threshold=threshold, max_fmr=max_fmr, faces=faces)
        files = _files(image_a=photo_a, image_b=photo_b)
        return self._read(schemas.VerifyOut, "POST", "/v1/verify", params=options, files=files)

    # collections

    def create_collection(
        self, collection: str, *, idempotency_key: str | None = None, **options: Any
    ) -> schemas.CollectionOut:
        """A new collection; options as in schemas.CollectionIn."""
        body = {"id": collection, **options}
        return self._write(schemas.CollectionOut, "POST", "/v1/collections", idempotency_key, json=body)

    def collection(self, collection: str) -> schemas.CollectionOut:
        """A collection and its size."""
        return self._read(schemas.CollectionOut, "GET", f"/v1/collections/{_part(collection)}")

    def collections(self) -> Iterator[schemas.CollectionOut]:
        """Every collection, by id."""
        return self._pages(schemas.CollectionPage, "/v1/collections")

    def delete_collection(self, collection: str, *, force: bool = False) -> None:
        """Deletes a collection; one with persons only by force."""
        self._send("DELETE", f"/v1/collections/{_part(collection)}", params={"force": str(force).lower()})

    # persons and their faces

    def create_person(
        self,
        collection: str,
        person: str,
        *,
        name: str = "",
        metadata: dict[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> schemas.PersonOut:
        """A new person without faces."""
        body = {"id": person, "name": name, "metadata": metadata or {}}
        path = f"/v1/collections/{_part(collection)}/persons"
        return self._write(schemas.PersonOut, "POST", path, idempotency_key, json=body)

    def person(self, collection: str, person: str) -> schemas.PersonOut:
        """A person and the number of their faces."""
        return self._read(schemas.PersonOut, "GET", _person(collection, person))

    def persons(self, collection: str) -> Iterator[schemas.PersonOut]:
        """Every person of a collection, by id."""
        return self._pages(schemas.PersonPage, f"/v1/collections/{_part(collection)}/persons")

    def delete_person(self, collection: str, person: str) -> None:
        """Forgets a person."""
        self._send("DELETE", _person(collection, person))

    def enrol(
        self,
        collection: str,
        person: str,
        photos: Sequence[Photo],
        *,
        create: bool = False,
        name: str = "",
        faces: str = "one",
        quality: str = "auto",
        idempotency_key: str | None = None,
    ) -> schemas.EnrolOut:
        """Enrols photos of one person; each is judged for itself. ApiFailure when none was accepted."""
        options = _given(create=str(create).lower(), name=name or None, faces=faces, quality=quality)
        files = [("image", _file(photo)) for photo in photos]
        path = _person(collection, person) + "/faces"
        return self._write(schemas.EnrolOut, "POST", path, idempotency_key, params=options, files=files)

    def enrol_templates(
        self,
        collection: str,
        person: str,
        templates: Sequence[Sequence[float]],
        contract_id: str,
        *,
        create: bool = False,
        idempotency_key: str | None = None,
    ) -> schemas.EnrolOut:
        """Enrols precomputed templates made under `contract_id`."""
        body = {
            "templates": [{"embedding": list(template)} for template in templates],
            "contract_id": contract_id,
            "create": create,
        }
        path = _person(collection, person) + "/faces"
        return self._write(schemas.EnrolOut, "POST", path, idempotency_key, json=body)

    def faces(self, collection: str, person: str) -> Iterator[schemas.FaceRecordOut]:
        """Every sample of a person."""
        return self._pages(schemas.FacePage, _person(collection, person) + "/faces")

    def delete_face(self, collection: str, person: str, face: str) -> None:
        """Deletes one sample."""
        self._send("DELETE", f"{_person(collection, person)}/faces/{_part(face)}")

    # questions

    def identify(
        self,
        collection: str,
        photo: Photo,
        *,
        faces: str = "largest",
        limit: int = 5,
        threshold: float | None = None,
        max_fmr: float | None = None,
    ) -> schemas.IdentifyOut:
        """Who is this? A face without candidates is unknown."""
        options = _given(faces=faces, limit=limit, threshold=threshold, max_fmr=max_fmr)
        path = f"/v1/collections/{_part(collection)}/identify"
        return self._read(schemas.IdentifyOut, "POST", path, params=options, files=_files(image=photo))

    def verify_person(
        self,
        collection: str,
        person: str,
        photo: Photo,
        *,
        threshold: float | None = None,
        max_fmr: float | None = None,
    ) -> schemas.PersonVerifyOut:
        """Is this that person?"""
        options = _given(threshold=threshold, max_fmr=max_fmr)
        path = _person(collection, person) + "/verify"
        return self._read(schemas.PersonVerifyOut, "POST", path, params=options, files=_files(image=photo))

    # the service

    def ready(self) -> bool:
        """True when every acknowledged write is searchable."""
        return self._http.get("/readyz").status_code == 200

    def models(self) -> schemas.ModelsOut:
        """The served model pack."""
        return self._read(schemas.ModelsOut, "GET", "/v1/models")

    def system(self) -> schemas.SystemOut:
        """Versions and limits."""
        return self._read(schemas.SystemOut, "GET", "/v1/system")

    def _read(self, kind: type[Answer], method: str, path: str, **parts: Any) -> Answer:
        return kind.model_validate_json(self._send(method, path, again=True, **parts).content)

    def _write(self, kind: type[Answer], method: str, path: str, key: str | None, **parts: Any) -> Answer:
        headers = {"Idempotency-Key": key} if key else {}
        answer = self._send(method, path, again=key is not None, headers=headers, **parts)
        return kind.model_validate_json(answer.content)

    def _pages(self, kind: type[Any], path: str) -> Iterator[Any]:
        cursor: str | None = None
        while True:
            page = self._read(kind, "GET", path, params=_given(cursor=cursor, limit=1000))
            yield from page.items
            cursor = page.next
            if cursor is None:
                return

    def _send(self, method: str, path: str, *, again: bool = False, **parts: Any) -> httpx.Response:
        for left in range(self._retries if again else 0, -1, -1):
            response = self._http.request(method, path, **parts)
            if response.status_code not in BUSY or left == 0:
                break
            self._wait(float(response.headers.get("retry-after", "1")))
        if response.is_success:
            return response
        raise _failure(response)


def _failure(response: httpx.Response) -> ApiFailure:
    try:
        body = schemas.ErrorOut.model_validate_json(response.content)
    except ValueError:
        text = f"HTTP {response.status_code} from {response.url.host}, not in the words of this API"
        return ApiFailure(response.status_code, "unknown", text, {}, None)
    error = body.error
    return ApiFailure(response.status_code, error.code, error.message, error.details, body.request_id)


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _files(**photos: Photo) -> dict[str, tuple[str, bytes]]:
    return {field: _file(photo) for field, photo in photos.items()}


def _file(photo: Photo) -> tuple[str, bytes]:
    # The file's own name stays at home: it often names the person.
    return ("image", photo.read_bytes() if isinstance(photo, Path) else photo)


def _part(text: str) -> str:
    return quote(text, safe="")


def _person(collection: str, person: str) -> str:
    return f"/v1/collections/{_part(collection)}/persons/{_part(person)}"
