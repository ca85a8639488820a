"""What can go wrong in the gallery, with the values a caller needs to act; messages are written for users."""

from __future__ import annotations


class GalleryError(Exception):
    """Base of all; `code` is stable and machine readable."""

    code = "gallery_error"


class UnknownCollection(GalleryError):
    """No collection of that name."""

    code = "unknown_collection"


class CollectionExists(GalleryError):
    """A collection of that name is there already."""

    code = "collection_exists"


class CollectionNotEmpty(GalleryError):
    """Deleting a collection that still holds persons needs `force`."""

    code = "collection_not_empty"


class UnknownPerson(GalleryError):
    """No person of that id in the collection."""

    code = "unknown_person"


class PersonExists(GalleryError):
    """A person of that id is in the collection already."""

    code = "person_exists"


class UnknownFace(GalleryError):
    """No face of that id under the person."""

    code = "unknown_face"


class ContractMismatch(GalleryError):
    """Templates of two model contracts are never compared; the message names both."""

    code = "contract_mismatch"


class InvalidTemplate(GalleryError):
    """A template of the wrong dimension, with NaN or infinity, or of length zero."""

    code = "invalid_template"


class InvalidRecord(GalleryError):
    """A name, id or metadata value outside what the gallery stores."""

    code = "invalid_record"


class IdempotencyConflict(GalleryError):
    """The idempotency key was used before with another request."""

    code = "idempotency_conflict"


class EngineBehind(GalleryError):
    """The store committed the write but the vector engine could not apply it yet; it heals by itself."""

    code = "engine_behind"

    def __init__(self, message: str, write_committed: bool = False) -> None:
        """write_committed: whether this call's own write is durable, so that it must not be sent again."""
        super().__init__(message)
        self.write_committed = write_committed


class EngineUnavailable(GalleryError):
    """The chosen vector engine cannot run on this machine; the message says why and what to choose."""

    code = "engine_unavailable"


class StoreUnavailable(GalleryError):
    """The store cannot answer now (locked, disk full, unreachable)."""

    code = "store_unavailable"


class CommitUnknown(StoreUnavailable):
    """The connection broke during the commit: the write is there as a whole, or not at all."""

    code = "commit_unknown"


class UnknownForm(GalleryError):
    """The collection has no such form beside the live one."""

    code = "unknown_form"


class FormConflict(GalleryError):
    """The forms a collection has do not allow what was asked; the message says which is in the way."""

    code = "form_conflict"


class UnknownJob(GalleryError):
    """No job of that id."""

    code = "unknown_job"


class JobConflict(GalleryError):
    """The job's state does not allow what was asked: adding to a job that runs, resuming one that is done."""

    code = "job_conflict"


class LeaseLost(GalleryError):
    """Another worker holds the work, or its job has ended; nothing of it was written."""

    code = "lease_lost"


class ReplayedReceipt(Exception):
    """The same write was done before; nothing was written now. `answer` is what its caller was told."""

    def __init__(self, answer: bytes) -> None:
        super().__init__("this idempotency key was used before with the same request")
        self.answer = answer
