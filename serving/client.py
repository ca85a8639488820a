"""A typed client of the REST service: one method a route, answers as the wire's own schemas, refusals as exceptions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from serving import schemas
from serving.access_client import AuditClient, KeysClient
from serving.asking import ApiFailure, Asking, Photo, file_of, files_of, given, part
from serving.job_client import JobsClient

__all__ = ["ApiFailure", "Client", "Photo"]


class Client(Asking):
    """Talks to one service, as `Asking` says."""

    # photos

    def detect(self, photo: Photo) -> schemas.DetectOut:
        """Every face of a photo, largest first."""
        return self.read(schemas.DetectOut, "POST", "/v1/detect", files=files_of(image=photo))

    def embeddings(
        self, photo: Photo, faces: str = "all", *, pack: str | None = None
    ) -> schemas.EmbeddingsOut:
        """Templates of a photo's faces, by the main pack or the one of this name or contract."""
        options = given(faces=faces, pack=pack)
        return self.read(
            schemas.EmbeddingsOut, "POST", "/v1/embeddings", params=options, files=files_of(image=photo)
        )

    def verify(
        self,
        photo_a: Photo,
        photo_b: Photo,
        *,
        threshold: float | None = None,
        max_fmr: float | None = None,
        faces: str = "largest",
        pack: str | None = None,
    ) -> schemas.VerifyOut:
        """Do two photos show one person? By the main pack, or the one of this name or contract."""
        options = given(threshold=threshold, max_fmr=max_fmr, faces=faces, pack=pack)
        files = files_of(image_a=photo_a, image_b=photo_b)
        return self.read(schemas.VerifyOut, "POST", "/v1/verify", params=options, files=files)

    # collections

    def create_collection(
        self, collection: str, *, idempotency_key: str | None = None, **options: Any
    ) -> schemas.CollectionOut:
        """A new collection; options as in schemas.CollectionIn, such as `pack`."""
        body = {"id": collection, **options}
        return self.write(schemas.CollectionOut, "POST", "/v1/collections", idempotency_key, json=body)

    def collection(self, collection: str) -> schemas.CollectionOut:
        """A collection and its size."""
        return self.read(schemas.CollectionOut, "GET", f"/v1/collections/{part(collection)}")

    def collections(self) -> Iterator[schemas.CollectionOut]:
        """Every collection, by id."""
        return self.pages(schemas.CollectionPage, "/v1/collections")

    def change_collection(self, collection: str, **changes: Any) -> schemas.CollectionOut:
        """Changes search, keep_crops or metadata."""
        path = f"/v1/collections/{part(collection)}"
        return self.write(schemas.CollectionOut, "PATCH", path, None, json=changes)

    def delete_collection(self, collection: str, *, force: bool = False) -> None:
        """Deletes a collection; one with persons only by force."""
        self.send("DELETE", f"/v1/collections/{part(collection)}", params={"force": str(force).lower()})

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
        path = f"/v1/collections/{part(collection)}/persons"
        return self.write(schemas.PersonOut, "POST", path, idempotency_key, json=body)

    def person(self, collection: str, person: str) -> schemas.PersonOut:
        """A person and the number of their faces."""
        return self.read(schemas.PersonOut, "GET", _person(collection, person))

    def persons(self, collection: str) -> Iterator[schemas.PersonOut]:
        """Every person of a collection, by id."""
        return self.pages(schemas.PersonPage, f"/v1/collections/{part(collection)}/persons")

    def change_person(self, collection: str, person: str, **changes: Any) -> schemas.PersonOut:
        """Changes name or metadata."""
        return self.write(schemas.PersonOut, "PATCH", _person(collection, person), None, json=changes)

    def merge_persons(self, collection: str, person: str, source: str) -> schemas.PersonOut:
        """Moves every face of `source` to `person` and removes `source`."""
        path = _person(collection, person) + ":merge"
        return self.write(schemas.PersonOut, "POST", path, None, json={"source": source})

    def delete_person(self, collection: str, person: str) -> None:
        """Forgets a person."""
        self.send("DELETE", _person(collection, person))

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
        options = given(create=str(create).lower(), name=name or None, faces=faces, quality=quality)
        files = [("image", file_of(photo)) for photo in photos]
        path = _person(collection, person) + "/faces"
        return self.write(schemas.EnrolOut, "POST", path, idempotency_key, params=options, files=files)

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
        return self.write(schemas.EnrolOut, "POST", path, idempotency_key, json=body)

    def faces(self, collection: str, person: str) -> Iterator[schemas.FaceRecordOut]:
        """Every sample of a person."""
        return self.pages(schemas.FacePage, _person(collection, person) + "/faces")

    def crop(self, collection: str, person: str, face: str) -> bytes:
        """The kept aligned crop of a sample, a PNG. ApiFailure where its collection keeps none."""
        return self.send("GET", f"{_person(collection, person)}/faces/{part(face)}/crop", again=True).content

    def delete_face(self, collection: str, person: str, face: str) -> None:
        """Deletes one sample."""
        self.send("DELETE", f"{_person(collection, person)}/faces/{part(face)}")

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
        options = given(faces=faces, limit=limit, threshold=threshold, max_fmr=max_fmr)
        path = f"/v1/collections/{part(collection)}/identify"
        return self.read(schemas.IdentifyOut, "POST", path, params=options, files=files_of(image=photo))

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
        options = given(threshold=threshold, max_fmr=max_fmr)
        path = _person(collection, person) + "/verify"
        return self.read(schemas.PersonVerifyOut, "POST", path, params=options, files=files_of(image=photo))

    # jobs

    @property
    def jobs(self) -> JobsClient:
        """What there is to ask about jobs."""
        return JobsClient(self)

    # keys and the audit

    @property
    def keys(self) -> KeysClient:
        """What there is to ask about keys."""
        return KeysClient(self)

    @property
    def audit(self) -> AuditClient:
        """What there is to ask about the audit."""
        return AuditClient(self)

    # the service

    def ready(self) -> bool:
        """True when every acknowledged write is searchable."""
        return self._http.get("/readyz").status_code == 200

    def models(self) -> schemas.ModelsOut:
        """The served model packs, the main one first."""
        return self.read(schemas.ModelsOut, "GET", "/v1/models")

    def system(self) -> schemas.SystemOut:
        """Versions and limits."""
        return self.read(schemas.SystemOut, "GET", "/v1/system")


def _person(collection: str, person: str) -> str:
    return f"/v1/collections/{part(collection)}/persons/{part(person)}"
