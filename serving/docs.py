"""Describes image uploads in the OpenAPI document, since those bodies are read by hand. Validates nothing."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from serving.schemas import ErrorOut

ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorOut, "description": text}
    for status, text in {
        400: "The body or the image cannot be read.",
        401: "A key is needed.",
        403: "The key's scope does not cover this.",
        404: "No such collection, person or face.",
        409: "It exists already, belongs to another model contract, or an idempotency key was reused.",
        413: "The body or the image is too large.",
        415: "The body's or the image's type is not read.",
        422: "An option is wrong, or the photo is not fit for it.",
        429: "Too much at work; Retry-After says when to come back.",
        503: "The store or the engine cannot answer now.",
    }.items()
}


def image_body(
    options: type[BaseModel], fields: tuple[str, ...] = ("image",), *, many: bool = False
) -> dict[str, Any]:
    """`openapi_extra` of a route that reads images by `serving.uploads.read_images` with these options."""
    schema = _whole(options)
    properties = schema.get("properties", {})
    required = list(schema.get("required", []))
    binary = {"type": "string", "format": "binary"}
    text = {"type": "string", "format": "byte", "description": "base64"}
    files = {name: {"type": "array", "items": binary} if many else binary for name in fields}
    texts: dict[str, Any] = dict.fromkeys(fields, text)
    if many:
        texts["images"] = {"type": "array", "items": text}
    content: dict[str, Any] = {
        "multipart/form-data": {"schema": _object({**files, **properties}, required)},
        "application/json": {"schema": _object({**texts, **properties}, required)},
    }
    if len(fields) == 1:
        content["image/*"] = {"schema": binary}
    parameters = [
        {"name": name, "in": "query", "required": False, "schema": found}
        for name, found in properties.items()
        if found.get("type") != "array"
    ]
    return {"requestBody": {"required": True, "content": content}, "parameters": parameters}


def json_body(schema: type[BaseModel]) -> dict[str, Any]:
    """`openapi_extra` of a route that reads a JSON body by `serving.uploads.read_body`."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": _whole(schema)}}}}


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
