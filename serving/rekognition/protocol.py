"""`POST /`: finds the operation, admits its caller, has it performed, answers in JSON 1.1. Performs nothing itself."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Request, Response

from index.errors import CommitUnknown, EngineBehind, GalleryError
from serving.access import Principal, ServiceDep, fresh_keys
from serving.errors import ApiError, let_go
from serving.overload import refuse_when_full
from serving.rekognition import collections, enrolment, photos, searching, users
from serving.rekognition.admission import Claim, Doorway, admitted, claimed
from serving.rekognition.errors import JSON_1_1, AwsError, as_aws, refusal
from serving.rekognition.operation import OPERATIONS, Answer, Call, Operation
from serving.rekognition.shapes import Input, read_input
from serving.service import Service
from serving.uploads import parse_object

router = APIRouter(include_in_schema=False)

TARGET = "RekognitionService."
MOST_BYTES = 16 * 1024 * 1024
"""Of a body: two images of 5 MiB in base64, and room for the rest."""

ANSWERED_BY = (collections, enrolment, photos, searching, users)
"""The modules that fill the register of operations."""


@router.post("/")
async def answer(request: Request, service: ServiceDep) -> Response:
    """One operation, or its refusal by an AWS name."""
    try:
        operation = _operation(request)
        await fresh_keys(service)
        claim = claimed(request, service, operation)
        if operation.photos:
            refuse_when_full(service)
    except (AwsError, ApiError, GalleryError) as error:
        return refusal(request, as_aws(error, service))
    # Outside of the `try`: a body over the service's own limit is refused by the guard that counts it.
    body = await _body(request)
    try:
        if body is None:
            message = f"The body is larger than {MOST_BYTES} bytes, more than two images of 5 MiB take."
            raise AwsError("RequestEntityTooLargeException", message)
        made = await _performed(request, service, operation, claim, body)
    except Exception as error:
        let_go(error)
        return refusal(request, as_aws(error, service))
    headers = {"x-amzn-requestid": str(getattr(request.state, "request_id", ""))}
    return Response(json.dumps(made, allow_nan=False), headers=headers, media_type=JSON_1_1)


def _operation(request: Request) -> Operation:
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    target = request.headers.get("x-amz-target", "")
    if not target.startswith(TARGET) or kind != JSON_1_1:
        message = (
            f"POST / speaks the AWS Rekognition protocol: Content-Type {JSON_1_1}, X-Amz-Target {TARGET}OPERATION. "
            "The service's own API is under /v1, see /v1/openapi.json."
        )
        raise AwsError("UnknownOperationException", message)
    name = target.removeprefix(TARGET)
    if name not in OPERATIONS:
        known = ", ".join(sorted(OPERATIONS))
        raise AwsError("UnknownOperationException", f"{name[:64]} is not answered here; there are {known}.")
    return OPERATIONS[name]


async def _body(request: Request) -> bytes | None:
    """None where it is too large."""
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > MOST_BYTES:
        return None
    taken = bytearray()
    async for chunk in request.stream():
        taken += chunk
        if len(taken) > MOST_BYTES:
            return None
    return bytes(taken)


async def _performed(
    request: Request, service: Service, operation: Operation, claim: Claim | None, body: bytes
) -> Answer:
    doorway: Doorway = request.app.state.rekognition
    caller = admitted(request, service, doorway, operation, claim, body)
    try:
        asked = read_input(operation.shape, _object(body))
        _check_grant(caller.who, operation, asked)
        return await operation.perform(Call(request, service, caller.who), asked)
    except BaseException as error:
        if caller.signature is not None and _undone(error):
            doorway.replays.release(caller.signature)
        raise


def _check_grant(who: Principal, operation: Operation, asked: Input) -> None:
    """Raises UnknownCollection for one that is not granted, as if it were not there, and AwsError where it is to be
    made.
    """
    collection = getattr(asked, "collection_id", None)
    if collection is None or who.reaches(collection):
        return
    if operation.name == "CreateCollection":
        message = f"This key is not granted a collection {collection!r}."
        raise AwsError("AccessDeniedException", message)
    who.see(collection)


def _undone(error: BaseException) -> bool:
    """Whether nothing was written for certain."""
    if isinstance(error, EngineBehind):
        return not error.write_committed
    # A task that is cancelled does not stop the thread that writes for it.
    return isinstance(error, Exception) and not isinstance(error, CommitUnknown)


def _object(body: bytes) -> dict[str, Any]:
    try:
        return parse_object(body)
    except ApiError as error:
        raise AwsError("SerializationException", error.message) from None
