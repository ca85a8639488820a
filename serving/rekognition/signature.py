"""AWS Signature Version 4 of a request's headers and body: read, and made again to compare. Knows no key.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from serving.rekognition.errors import AwsError

ALGORITHM = "AWS4-HMAC-SHA256"
SERVICE = "rekognition"
TERMINATOR = "aws4_request"
REQUIRED = ("host", "x-amz-date", "x-amz-target")
_MOMENT = re.compile(r"\d{8}T\d{6}Z")
_CREDENTIAL = re.compile(r"([A-Za-z0-9]{1,128})/(\d{8})/([a-z0-9-]{1,64})/([a-z0-9-]{1,64})/aws4_request")
_HEADERS = re.compile(r"[a-z0-9-]{1,64}(;[a-z0-9-]{1,64}){0,63}")
_SIGNATURE = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Signed:
    """What an Authorization header says. headers: names of those that are signed. moment: of X-Amz-Date."""

    access_key_id: str
    date: str
    region: str
    headers: tuple[str, ...]
    signature: str
    moment: datetime


def read_signature(authorization: str, amz_date: str) -> Signed:
    """Raises AwsError, IncompleteSignatureException or InvalidSignatureException, naming the part that is wrong."""
    algorithm, _, rest = authorization.strip().partition(" ")
    if algorithm != ALGORITHM:
        raise _incomplete(f"the Authorization header must begin with {ALGORITHM}")
    pairs = [part.strip().partition("=")[::2] for part in rest.split(",")]
    parts = dict(pairs)
    if sorted(name for name, _ in pairs) != ["Credential", "Signature", "SignedHeaders"]:
        raise _incomplete("the Authorization header needs Credential, SignedHeaders and Signature, once each")
    credential = _CREDENTIAL.fullmatch(parts["Credential"])
    if credential is None:
        raise _incomplete("Credential must be KEY/YYYYMMDD/REGION/SERVICE/aws4_request")
    if not _HEADERS.fullmatch(parts["SignedHeaders"]):
        raise _incomplete("SignedHeaders must be names in lower case with ';' between")
    if not _SIGNATURE.fullmatch(parts["Signature"]):
        raise _incomplete("Signature must be 64 hexadecimal digits")
    if not _MOMENT.fullmatch(amz_date):
        raise _incomplete("X-Amz-Date must be YYYYMMDD'T'HHMMSS'Z'")
    access_key_id, date, region, service = credential.groups()
    headers = tuple(parts["SignedHeaders"].split(";"))
    if service != SERVICE:
        raise _invalid(f"Credential should be scoped to correct service: '{SERVICE}'.")
    if date != amz_date[:8]:
        raise _invalid("Date in Credential scope does not match YYYYMMDD from X-Amz-Date.")
    missing = [name for name in REQUIRED if name not in headers]
    if missing:
        raise _invalid(f"{', '.join(missing)} must be among the signed headers.")
    return Signed(access_key_id, date, region, headers, parts["Signature"], _moment(amz_date))


def check_signature(signed: Signed, secret: str, headers: Mapping[str, Sequence[str]], body: bytes) -> None:
    """Returns where whoever knows `secret` signed these headers and this body of a `POST /`; else raises AwsError.

    headers: every value of each signed header, in the order sent.
    """
    made = sign(signed, secret, headers, body)
    if not hmac.compare_digest(made, signed.signature):
        message = (
            "The request signature we calculated does not match the signature you provided. Check your secret access "
            "key, and that nothing on the way changes the Host header or the body."
        )
        raise _invalid(message)


def sign(signed: Signed, secret: str, headers: Mapping[str, Sequence[str]], body: bytes) -> str:
    """The signature, hex, of a `POST /` without a query."""
    lines = [f"{name}:{','.join(_trimmed(value) for value in headers[name])}" for name in signed.headers]
    payload = hashlib.sha256(body).hexdigest()
    canonical = "\n".join(["POST", "/", "", *lines, "", ";".join(signed.headers), payload])
    scope = f"{signed.date}/{signed.region}/{SERVICE}/{TERMINATOR}"
    moment = signed.moment.strftime("%Y%m%dT%H%M%SZ")
    text = "\n".join([ALGORITHM, moment, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{secret}".encode()
    for part in (signed.date, signed.region, SERVICE, TERMINATOR):
        key = hmac.digest(key, part.encode(), hashlib.sha256)
    return hmac.digest(key, text.encode(), hashlib.sha256).hex()


def _trimmed(value: str) -> str:
    return " ".join(value.split())


def _moment(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise _incomplete(f"X-Amz-Date {text} is no time") from None


def _incomplete(what: str) -> AwsError:
    return AwsError("IncompleteSignatureException", f"The signature cannot be read: {what}.")


def _invalid(message: str) -> AwsError:
    return AwsError("InvalidSignatureException", message)
