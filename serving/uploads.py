"""Reads images and options out of a request, the same way for multipart, raw bodies and JSON. Decodes nothing."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json, to_json
from starlette.datastructures import UploadFile
from starlette.requests import Request

from serving.errors import ApiError, invalid_request, problem

RAW_TYPES = ("image/", "application/octet-stream")
JSON = "application/json"
MAX_TEXT_FIELDS = 32

Options = TypeVar("Options", bound=BaseModel)


@dataclass(frozen=True)
class ImageRequest(Generic[Options]):
    """The encoded images in the order sent, the validated options, and a digest of both.

    The digest does not depend on how the request was packed, so that a repeated multipart upload, whose
    boundary differs, is recognised as the same request.
    """

    images: tuple[bytes, ...]
    options: Options
    digest: str


async def read_images(
    request: Request, options: type[Options], fields: tuple[str, ...] = ("image",), most: int = 1
) -> ImageRequest[Options]:
    """The images under `fields`, and the options from query, form or JSON.

    One field takes up to `most` images (JSON may also say `images`, a list); several fields take one each.
    Raises ApiError 400 for a body that is not what its type says, 415 for another type, 422 for options.
    """
    kind = _kind(request)
    query = dict(_once(request.query_params.multi_items(), "query parameter"))
    texts: dict[str, str] = {}
    values: dict[str, Any] = {}
    if kind == "multipart/form-data":
        images, texts = await _from_multipart(request, fields, most)
    elif kind == JSON:
        images, values = _from_json(await request.body(), fields, most)
    elif kind.startswith(RAW_TYPES) and len(fields) == 1:
        images = (await request.body(),)
    else:
        raise _wrong_type(kind, fields)
    for name in query:
        if name in texts or name in values:
            raise invalid_request([{"field": name, "problem": "is given both in the query and in the body"}])
    return _request(images, options, {**query, **texts}, values)


async def read_body(request: Request, schema: type[Options]) -> ImageRequest[Options]:
    """A JSON body without images, validated by `schema`; for the routes whose writes are idempotent.

    Raises ApiError 400 for what is no JSON object, 415 for another type, 422 for values.
    """
    kind = _kind(request)
    if kind != JSON:
        raise ApiError(
            415, "unsupported_type", f"Content type {kind or 'missing'} is not read here: send {JSON}."
        )
    return _request((), schema, {}, parse_object(await request.body()))


def parse_object(body: bytes) -> dict[str, Any]:
    """A JSON object. Refused are NaN and infinity, which JSON does not have, and a name that stands twice in an
    object, of which another reader might take the other value. Raises ApiError 400.
    """
    try:
        parsed = from_json(body, allow_inf_nan=False)
        if isinstance(parsed, dict):
            json.loads(body, object_pairs_hook=_each_once)
    except ValueError as error:
        raise ApiError(400, "invalid_json", f"The body is not valid JSON: {error}") from None
    if not isinstance(parsed, dict):
        raise ApiError(400, "invalid_json", f"The body must be a JSON object, not {type(parsed).__name__}.")
    return parsed


def _each_once(pairs: list[tuple[str, Any]]) -> None:
    names = {name for name, _ in pairs}
    if len(names) != len(pairs):
        raise ValueError("a name stands twice in one object")


def _as_written(value: Any) -> Any:
    """JSON knows one kind of number, so that 80.0 is the whole number 80 (JSON Schema 2020-12, 6.1.1)."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "").split(";")[0].strip().lower()


def _request(
    images: tuple[bytes, ...], schema: type[Options], texts: dict[str, str], values: dict[str, Any]
) -> ImageRequest[Options]:
    """texts, of the query or a form, are read as what they spell; values, of JSON, are what they are and no more."""
    try:
        if values:
            spelled = (
                schema.model_validate(texts).model_dump(mode="json", exclude_unset=True) if texts else {}
            )
            asked = {name: _as_written(value) for name, value in values.items()}
            options = schema.model_validate_json(to_json({**spelled, **asked}), strict=True)
        else:
            options = schema.model_validate(texts)
    except ValidationError as error:
        raise invalid_request([problem(item) for item in error.errors()]) from None
    digest = hashlib.sha256(options.model_dump_json().encode())
    for image in images:
        digest.update(hashlib.sha256(image).digest())
    return ImageRequest(images, options, digest.hexdigest())


async def _from_multipart(
    request: Request, fields: tuple[str, ...], most: int
) -> tuple[tuple[bytes, ...], dict[str, str]]:
    async with request.form(max_files=max(most, len(fields)), max_fields=MAX_TEXT_FIELDS) as form:
        files: list[tuple[str, bytes]] = []
        texts: list[tuple[str, str]] = []
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                files.append((name, await value.read()))
            else:
                texts.append((name, value))
    stray = [name for name, _ in files if name not in fields]
    if stray:
        raise invalid_request(
            [{"field": name, "problem": f"unknown file field; use {_names(fields)}"} for name in stray]
        )
    options = dict(_once(texts, "form field"))
    if len(fields) == 1:
        return tuple(data for _, data in files), options
    return _one_each(fields, dict(_once(files, "file field"))), options


def _from_json(body: bytes, fields: tuple[str, ...], most: int) -> tuple[tuple[bytes, ...], dict[str, Any]]:
    given = parse_object(body)
    if len(fields) > 1:
        found = {name: _base64(name, given.pop(name)) for name in fields if name in given}
        return _one_each(fields, found), given
    images = []
    if fields[0] in given:
        images.append(_base64(fields[0], given.pop(fields[0])))
    if most > 1 and "images" in given:
        if images:
            raise invalid_request(
                [{"field": "images", "problem": "stands beside image; send one of the two"}]
            )
        texts = given.pop("images")
        if not isinstance(texts, list):
            raise invalid_request([{"field": "images", "problem": "must be a list of base64 strings"}])
        if len(texts) > most:
            raise invalid_request(
                [{"field": "images", "problem": f"has {len(texts)} images; at most {most} a request"}]
            )
        images.extend(_base64(f"images.{at}", text) for at, text in enumerate(texts))
    return tuple(images), given


def _one_each(fields: tuple[str, ...], found: dict[str, bytes]) -> tuple[bytes, ...]:
    missing = [name for name in fields if name not in found]
    if missing:
        raise invalid_request([{"field": name, "problem": "an image is required here"} for name in missing])
    return tuple(found[name] for name in fields)


def _base64(field: str, text: object) -> bytes:
    if not isinstance(text, str):
        raise invalid_request(
            [{"field": field, "problem": f"must be a base64 string, not {type(text).__name__}"}]
        )
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        hint = (
            "send the base64 alone, without a 'data:' prefix" if text.startswith("data:") else "is not base64"
        )
        raise invalid_request([{"field": field, "problem": hint}]) from None


def _once(items: list[tuple[str, Any]], what: str) -> list[tuple[str, Any]]:
    seen: set[str] = set()
    for name, _ in items:
        if name in seen:
            raise invalid_request([{"field": name, "problem": f"{what} given more than once"}])
        seen.add(name)
    return items


def _wrong_type(kind: str, fields: tuple[str, ...]) -> ApiError:
    raw = ", or the image itself with its image/* type" if len(fields) == 1 else ""
    message = (
        f"Content type {kind or 'missing'} is not read here: send multipart/form-data with {_names(fields)}, "
        f"or application/json with base64 in {_names(fields)}{raw}."
    )
    return ApiError(415, "unsupported_type", message)


def _names(fields: tuple[str, ...]) -> str:
    return " and ".join(json.dumps(name) for name in fields)
