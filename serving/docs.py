"""Describes in the OpenAPI document what the routes read by hand: bodies with images, JSON, keys of repeated writes.

What holds for all routes is added by openapi.py. Validates nothing.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from serving.schemas import ErrorOut

ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorOut, "description": text}
    for status, text in {
        400: "The body or the image cannot be read.",
        401: "A key is needed.",
        403: "The key's scope does not cover this, or a page of another origin asks.",
        404: "No such collection, person, face, job or key.",
        409: "It exists already, belongs to another model contract, or an idempotency key was reused.",
        413: "The body or the image is too large.",
        415: "The body's or the image's type is not read.",
        422: "An option is wrong, or the photo is not fit for it.",
        429: "Too much at work, or a key asks too often; Retry-After says when to come back.",
        500: "The service failed on this request; its log says why.",
        503: "The store or the engine cannot answer now; Retry-After says when to come back.",
    }.items()
}

BINARY = {"type": "string", "format": "binary"}
BASE64 = {"type": "string", "format": "byte", "description": "base64"}
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Sent again with the same request within seven days, it gives the first answer once more.",
    "schema": {"type": "string", "pattern": "^[\\x21-\\x7e]{1,255}$"},
}


def image_body(
    options: type[BaseModel],
    fields: tuple[str, ...] = ("image",),
    *,
    many: bool = False,
    instead: tuple[str, ...] = (),
) -> dict[str, Any]:
    """`openapi_extra` of a route that reads images by `serving.uploads.read_images` with these options.

    instead: what JSON may hold in the place of images, all of it.
    """
    schema = _whole(options)
    properties = schema.get("properties", {})
    spelled = {name: _one_type(found) for name, found in properties.items() if _is_text(found)}
    content: dict[str, Any] = {
        "multipart/form-data": {"schema": _form(fields, properties, many)},
        "application/json": {"schema": _json(fields, properties, many, instead)},
    }
    if len(fields) == 1:
        content["image/*"] = {"schema": BINARY}
        content["application/octet-stream"] = {"schema": BINARY}
    parameters = [
        {"name": name, "in": "query", "required": False, "schema": found} for name, found in spelled.items()
    ]
    return {"requestBody": {"required": True, "content": content}, "parameters": parameters}


def upload_form(options: type[BaseModel]) -> dict[str, Any]:
    """`openapi_extra` of a route that reads images and options from multipart alone."""
    form = _form(("image",), _whole(options).get("properties", {}), many=True)
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": form}}}}


def json_body(schema: type[BaseModel], **words: list[str]) -> dict[str, Any]:
    """`openapi_extra` of a route that reads a JSON body by `serving.uploads.read_body`.

    words: of fields that take one of a list which the schema cannot know.
    """
    whole = _whole(schema)
    for name, known in words.items():
        whole["properties"][name]["enum"] = known
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": whole}}}}


def repeatable(extra: dict[str, Any] | None = None) -> dict[str, Any]:
    """`openapi_extra` of a route whose write happens once for its `Idempotency-Key`, and the rest of it."""
    described = dict(extra or {})
    return {**described, "parameters": [*described.get("parameters", []), IDEMPOTENCY_KEY]}


def _form(fields: tuple[str, ...], properties: dict[str, Any], many: bool) -> dict[str, Any]:
    """A form's fields: the images, and the options that can be spelled, or are JSON within the form."""
    files = {name: {"type": "array", "items": BINARY, "minItems": 1} if many else BINARY for name in fields}
    texts = {name: _one_type(found) for name, found in properties.items() if _is_text(found)}
    inner = {name: found["contentSchema"] for name, found in properties.items() if "contentSchema" in found}
    return _object({**files, **texts, **inner}, [*fields, *inner])


def _json(
    fields: tuple[str, ...], properties: dict[str, Any], many: bool, instead: tuple[str, ...]
) -> dict[str, Any]:
    images: dict[str, Any] = dict.fromkeys(fields, BASE64)
    if many:
        images["images"] = {"type": "array", "items": BASE64, "minItems": 1}
    given = {name: _one_type(found) if name in instead else found for name, found in properties.items()}
    if not instead:
        return _object({**images, **given}, list(fields))
    ways = [[name] for name in images] + [list(instead)]
    others = [[{"required": other[:1]} for other in ways if other is not way] for way in ways]
    alone = [{"required": way, "not": {"anyOf": rest}} for way, rest in zip(ways, others, strict=True)]
    return {**_object({**images, **given}, []), "oneOf": alone}


def _one_type(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a value that is there: a query or a form cannot say null."""
    kept = [part for part in schema.get("anyOf", ()) if part.get("type") != "null"]
    if len(kept) != 1:
        return schema
    return {**{name: value for name, value in schema.items() if name != "anyOf"}, **kept[0]}


def _is_text(schema: dict[str, Any]) -> bool:
    """Whether a query or a form can spell a value."""
    return "contentSchema" not in schema and _one_type(schema).get("type") not in ("array", "object")


def _whole(model: type[BaseModel]) -> dict[str, Any]:
    """The model's JSON schema with every reference put in place: these schemas are outside FastAPI's register."""
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})

    def put_in(part: Any) -> Any:
        if isinstance(part, list):
            return [put_in(item) for item in part]
        if not isinstance(part, dict):
            return part
        if "$ref" in part:
            found = put_in(definitions[part["$ref"].rpartition("/")[2]])
            return {**found, **{name: put_in(value) for name, value in part.items() if name != "$ref"}}
        return {name: put_in(value) for name, value in part.items()}

    whole: dict[str, Any] = put_in(schema)
    return whole


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
