"""Refusals in the words of AWS: the exception's name, its status, a sentence for the caller. Decides nothing."""

from __future__ import annotations

import structlog
from fastapi import Request
from fastapi.responses import JSONResponse

from faces.batching.errors import Closed, DeadlineExceeded, QueueFull
from faces.face import Reason
from faces.image import ImageError
from index import errors as gallery
from serving.errors import ApiError
from serving.overload import overloaded
from serving.service import Service

log = structlog.get_logger()

JSON_1_1 = "application/x-amz-json-1.1"

STATUS = {
    "AccessDeniedException": 400,
    "ConflictException": 400,
    "IdempotentParameterMismatchException": 400,
    "ImageTooLargeException": 400,
    "IncompleteSignatureException": 400,
    "InternalServerError": 500,
    "InvalidImageFormatException": 400,
    "InvalidPaginationTokenException": 400,
    "InvalidParameterException": 400,
    "InvalidS3ObjectException": 400,
    "InvalidSignatureException": 403,
    "MissingAuthenticationTokenException": 403,
    "RequestEntityTooLargeException": 413,
    "RequestExpired": 403,
    "ResourceAlreadyExistsException": 400,
    "ResourceNotFoundException": 400,
    "SerializationException": 400,
    "ThrottlingException": 429,
    "UnknownOperationException": 400,
    "UnrecognizedClientException": 403,
    "ValidationException": 400,
}

NAME_OF_GALLERY_ERROR: dict[type[gallery.GalleryError], str] = {
    gallery.UnknownCollection: "ResourceNotFoundException",
    gallery.UnknownPerson: "ResourceNotFoundException",
    gallery.CollectionExists: "ResourceAlreadyExistsException",
    gallery.PersonExists: "ConflictException",
    gallery.IdempotencyConflict: "IdempotentParameterMismatchException",
    gallery.UnknownFace: "InvalidParameterException",
    gallery.ContractMismatch: "InvalidParameterException",
    gallery.InvalidTemplate: "InvalidParameterException",
    gallery.InvalidRecord: "InvalidParameterException",
}


class AwsError(Exception):
    """A refusal by its AWS name. status: where it is not the name's own."""

    def __init__(
        self, name: str, message: str, status: int | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.name = name
        self.message = message
        self.status = status or STATUS[name]
        self.headers = headers or {}


def refusal(request: Request, error: AwsError) -> JSONResponse:
    """The error as every operation answers it."""
    request_id = str(getattr(request.state, "request_id", ""))
    headers = {**error.headers, "x-amzn-errortype": error.name, "x-amzn-requestid": request_id}
    if "Retry-After" in headers:
        # Milliseconds, and what AWS's own clients heed.
        headers["x-amz-retry-after"] = f"{headers['Retry-After']}000"
    body = {"__type": error.name, "message": error.message}
    return JSONResponse(body, error.status, headers, media_type=JSON_1_1)


def as_aws(error: Exception, service: Service) -> AwsError:
    """What the rooms below raise, by its AWS name; what nobody foresaw is logged."""
    match error:
        case AwsError():
            return error
        case ImageError():
            large = error.reason is Reason.TOO_LARGE
            return AwsError("ImageTooLargeException" if large else "InvalidImageFormatException", str(error))
        case QueueFull():
            return _throttled(overloaded(service, "queue_full", _sentence(error)))
        case DeadlineExceeded():
            return _throttled(overloaded(service, "deadline", _sentence(error)))
        case Closed():
            return _later("The service is stopping; send the request again shortly.")
        case gallery.GalleryError():
            return _of_gallery(error)
        case ApiError() if error.status == 429:
            return _throttled(error)
        case ApiError():
            return AwsError("InternalServerError", error.message, error.status)
    log.error("unforeseen error", kind=type(error).__name__, exc_info=error)
    message = "The service failed on this request; its log has the cause under this request id."
    return AwsError("InternalServerError", message)


def _of_gallery(error: gallery.GalleryError) -> AwsError:
    name = NAME_OF_GALLERY_ERROR.get(type(error))
    # What has no name here is the store or the engine, which cannot answer now.
    return _later(str(error)) if name is None else AwsError(name, str(error))


def _throttled(error: ApiError) -> AwsError:
    return AwsError("ThrottlingException", error.message, headers=error.headers)


def _later(message: str) -> AwsError:
    return AwsError("InternalServerError", message, 503, {"Retry-After": "1"})


def _sentence(error: Exception) -> str:
    text = str(error)
    return text[:1].upper() + text[1:]
