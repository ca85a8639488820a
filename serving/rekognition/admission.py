"""Who asks, by the signature, and whether they may: before the body is read what its headers tell, then the rest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from time import time

from fastapi import Request

from serving.access import Principal, admit, anybody, refuse_wrong_key
from serving.keys import Key
from serving.rekognition.credentials import Credentials, find_key
from serving.rekognition.errors import AwsError
from serving.rekognition.operation import Operation
from serving.rekognition.replays import Replays
from serving.rekognition.signature import Signed, check_signature, read_signature
from serving.service import Service

READ_SKEW = 900
WRITE_SKEW = 300
"""Seconds that X-Amz-Date may lie from this machine's clock, either way; a write's signature is remembered so long."""


@dataclass(frozen=True)
class Doorway:
    """What stands between the network and the operations, one an application."""

    credentials: Credentials
    replays: Replays

    @classmethod
    def open(cls, folder: Path) -> Doorway:
        """Of a data folder."""
        return cls(Credentials.open(folder), Replays())


@dataclass(frozen=True)
class Claim:
    """A caller who has yet to show that the signature is theirs."""

    key: Key
    signed: Signed


@dataclass(frozen=True)
class Admitted:
    """A caller who may do what they ask. signature: to be released where a write was not done."""

    who: Principal
    signature: str | None = None


def claimed(request: Request, service: Service, operation: Operation) -> Claim | None:
    """The key and the time that a request's headers name; None where keys are off. Raises AwsError."""
    if not service.settings.keys_required:
        return None
    if request.url.query:
        raise AwsError(
            "IncompleteSignatureException", "Sign with the Authorization header, not in the query."
        )
    authorization = request.headers.getlist("authorization")
    if not authorization:
        message = (
            "Missing Authentication Token: requests are signed with an access key of `cocircle keys create`."
        )
        raise AwsError("MissingAuthenticationTokenException", message)
    if len(authorization) > 1 or len(request.headers.getlist("x-amz-date")) != 1:
        raise AwsError(
            "IncompleteSignatureException", "One Authorization and one X-Amz-Date header are needed."
        )
    signed = read_signature(authorization[0], request.headers["x-amz-date"])
    absent = [name for name in signed.headers if name not in request.headers]
    if absent:
        raise AwsError("InvalidSignatureException", f"Signed headers are missing: {', '.join(absent)}.")
    key = find_key(service.keys, signed.access_key_id)
    if key is None:
        refuse_wrong_key(request, service)
        raise AwsError(
            "UnrecognizedClientException", "The security token included in the request is invalid."
        )
    _check_time(signed, operation)
    return Claim(key, signed)


def admitted(
    request: Request,
    service: Service,
    doorway: Doorway,
    operation: Operation,
    claim: Claim | None,
    body: bytes,
) -> Admitted:
    """Checks the signature with the body, how often the key asks, the scope, and that a signed write comes for the
    first time.

    Raises AwsError, ApiError.
    """
    if claim is None:
        return Admitted(anybody(request))
    signed = claim.signed
    headers = {name: request.headers.getlist(name) for name in signed.headers}
    try:
        check_signature(signed, doorway.credentials.secret(claim.key), headers, body)
    except AwsError:
        refuse_wrong_key(request, service)
        raise
    who = admit(request, service, claim.key)
    if not claim.key.allows(operation.scope):
        message = (
            f"This key has the scope '{claim.key.scope}' and is not authorized to perform "
            f"rekognition:{operation.name}, which needs '{operation.scope}'."
        )
        raise AwsError("AccessDeniedException", message)
    if not operation.writes:
        return Admitted(who)
    doorway.replays.claim(signed.signature, signed.moment.timestamp() + WRITE_SKEW)
    return Admitted(who, signed.signature)


def _check_time(signed: Signed, operation: Operation) -> None:
    skew = WRITE_SKEW if operation.writes else READ_SKEW
    ahead = signed.moment.timestamp() - time()
    if abs(ahead) > skew:
        where = "ahead of" if ahead > 0 else "behind"
        message = (
            f"Signature expired: X-Amz-Date is {abs(ahead):.0f} s {where} this service's clock, "
            f"at most {skew} s are accepted for {operation.name}; set the clock, or sign the request again."
        )
        raise AwsError("RequestExpired", message)
