"""One error envelope for every refusal: {error: {code, message, details}, request_id}. Nothing biometric goes in."""

from __future__ import annotations

from traceback import clear_frames
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match

from faces.face import Reason
from faces.image import ImageError
from index import errors as gallery

STATUS_OF_GALLERY_ERROR: dict[type[gallery.GalleryError], int] = {
    gallery.UnknownCollection: 404,
    gallery.UnknownPerson: 404,
    gallery.UnknownFace: 404,
    gallery.UnknownJob: 404,
    gallery.UnknownForm: 404,
    gallery.CollectionExists: 409,
    gallery.PersonExists: 409,
    gallery.CollectionNotEmpty: 409,
    gallery.ContractMismatch: 409,
    gallery.IdempotencyConflict: 409,
    gallery.JobConflict: 409,
    gallery.FormConflict: 409,
    gallery.InvalidTemplate: 422,
    gallery.InvalidRecord: 422,
    gallery.EngineBehind: 503,
    gallery.StoreUnavailable: 503,
    gallery.CommitUnknown: 503,
    gallery.EngineUnavailable: 503,
}

STATUS_OF_REASON = {
    Reason.INVALID_IMAGE: 400,
    Reason.TOO_LARGE: 413,
    Reason.UNSUPPORTED_TYPE: 415,
}

CODE_OF_STATUS = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_type",
    422: "invalid_request",
    429: "overloaded",
    503: "unavailable",
}


METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


class ApiError(Exception):
    """A refusal with its status, stable code, words for the caller, and details a program can use."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        details: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = details or {}
        self.headers = headers or {}


def envelope(request: Request, error: ApiError) -> JSONResponse:
    """The error as every route answers it."""
    return JSONResponse(
        {
            "error": {"code": error.code, "message": error.message, "details": error.details},
            "request_id": getattr(request.state, "request_id", None),
        },
        status_code=error.status,
        headers=error.headers,
    )


def from_image_error(error: ImageError, **details: Any) -> ApiError:
    """An unreadable image as an ApiError: 400, 413 or 415 by its reason."""
    status = STATUS_OF_REASON.get(error.reason, 422)
    return ApiError(status, error.reason.value, str(error), {"reasons": [error.reason.value], **details})


def from_gallery_error(error: gallery.GalleryError) -> ApiError:
    """A refusal of the gallery as an ApiError."""
    status = STATUS_OF_GALLERY_ERROR.get(type(error), 500)
    details: dict[str, Any] = {}
    headers: dict[str, str] = {}
    if isinstance(error, gallery.EngineBehind):
        details["write_committed"] = error.write_committed
    if isinstance(error, gallery.CommitUnknown):
        details["write_committed"] = None
    if status == 503:
        headers["Retry-After"] = "1"
    return ApiError(status, error.code, str(error), details, headers)


def let_go(error: Exception) -> None:
    """Empty the frames that a refusal passed: they hold the upload, and its futures, which hold the error.

    Such a circle, with all its megabytes, would stay until the collector of cycles finds it.
    """
    clear_frames(error.__traceback__)


def install_error_handlers(app: FastAPI) -> None:
    """Make every way a request can be refused answer with the envelope; what is unforeseen is answered by the frame."""

    @app.exception_handler(ApiError)
    async def _api(request: Request, error: ApiError) -> JSONResponse:
        let_go(error)
        return envelope(request, error)

    @app.exception_handler(ImageError)
    async def _image(request: Request, error: ImageError) -> JSONResponse:
        let_go(error)
        return envelope(request, from_image_error(error))

    @app.exception_handler(gallery.GalleryError)
    async def _gallery(request: Request, error: gallery.GalleryError) -> JSONResponse:
        let_go(error)
        return envelope(request, from_gallery_error(error))

    @app.exception_handler(RequestValidationError)
    async def _validation(request: Request, error: RequestValidationError) -> JSONResponse:
        problems = [problem(item) for item in error.errors()]
        return envelope(request, invalid_request(problems))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        code = CODE_OF_STATUS.get(error.status_code, "error")
        headers = dict(error.headers or {})
        message = str(error.detail)
        if error.status_code in (404, 405):
            asked = f"{request.method[:16]} {request.url.path[:200]}"
            message = f"{error.detail}: {asked}; /v1/openapi.json lists what there is."
        if error.status_code == 405:
            headers["Allow"] = ", ".join(_methods(request))
        return envelope(request, ApiError(error.status_code, code, message, headers=headers))


def _methods(request: Request) -> list[str]:
    """What the path of a request can be asked by, over all routes; the framework tells those of the first one."""
    return [
        method
        for method in METHODS
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL
            for route in request.app.routes
        )
    ]


def problem(item: Any) -> dict[str, str]:
    """One validation problem as {field, problem}; the offending value is left out, it may be an image."""
    where = [str(part) for part in item["loc"] if part not in ("body", "query", "path", "header")]
    return {"field": ".".join(where), "problem": str(item["msg"]).removeprefix("Value error, ")}


def invalid_request(problems: list[dict[str, str]]) -> ApiError:
    """422 with every problem named, the first one in the message."""
    first = problems[0] if problems else {"field": "", "problem": "is not valid"}
    where = f"{first['field']}: " if first["field"] else ""
    return ApiError(422, "invalid_request", f"{where}{first['problem']}", {"problems": problems})
