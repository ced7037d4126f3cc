"""What an address could not be read for, as a sentence: from the errors of drivers, of which only codes are shown."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from wattrain_api.address_drivers import needed_beside_package
from wattrain_worker.errors import BadSpec, InputMissing, StorageUnavailable, WorkerError

FIELD: Final = "spec.data.source.uri"
SILENCE_SECONDS: Final = 60
"""Without a byte of a server, after which it is given up."""
_UNKNOWN_KEYS: Final = frozenset(
    ("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "AuthFailure", "401")
)
_BUSY: Final = frozenset(("408", "425", "429"))
"""Of HTTP's 4xx those that another try may not get."""
_AMAZON: Final = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
_GOOGLE: Final = "GOOGLE_SERVICE_ACCOUNT (the path of a key's file)"
_KEYS: Final = {"s3": _AMAZON, "s3a": _AMAZON, "gs": _GOOGLE, "gcs": _GOOGLE}
_CODES: Final = (re.compile(r"<Code>(\w{1,60})</Code>"), re.compile(r"status code: ([45]\d\d)\b"))
"""Where obstore's texts have the server's code."""
_OBSTORE_KIND: Final = re.compile(r"\bkind: (\w+)")
_NO_KEYS: Final = frozenset(("NoCredentialsError", "PartialCredentialsError", "DefaultCredentialsError"))
_INSTANCE: Final = "169.254.169.254"
"""Where drivers ask for credentials when none are given: an address that a cloud's own machines have."""


class _Kind(NamedTuple):
    """Errors that have one cause, by the names of their classes: each driver has its own, which are not imported."""

    names: frozenset[str]
    cause: str
    remedy: str


_KINDS: Final = (
    _Kind(
        frozenset(("ClientConnectorCertificateError", "SSLCertVerificationError", "SSLError", "ClientSSLError")),
        "the server's certificate is not trusted",
        "correct the address, or name the file of its authority in SSL_CERT_FILE",
    ),
    _Kind(
        frozenset(("ClientConnectorError", "EndpointConnectionError", "ConnectionRefusedError", "gaierror", "Connect")),
        "no server answers there",
        "correct the address, or see that the server answers from where the workers run",
    ),
    _Kind(
        frozenset(("TimeoutError", "ReadTimeoutError", "ConnectTimeoutError", "ReadTimeout", "Timeout")),
        f"the server sent nothing for {SILENCE_SECONDS} s",
        "see that it answers from where the workers run, and try again",
    ),
    _Kind(
        frozenset((
            "ClientPayloadError", "ContentLengthError", "IncompleteReadError", "ResponseStreamingError",
            "IncompleteRead", "ServerDisconnectedError", "ConnectionError", "ConnectionClosedError",
            "ClientConnectionError", "HTTPClientError", "ChunkedEncodingError", "Interrupted", "Decode", "Request",
        )),
        "the connection broke off before the whole file had come",
        "see that the server is up and the file whole, and try again",
    ),
)  # fmt: skip
"""All are worth another try; the first that fits is the one that is told."""


def refusal(shown: str, protocol: str, error: Exception) -> WorkerError:
    """What is to be raised because of `error`. `shown`: the address without credentials."""
    code, names = _code(error), _names(error)
    where = f"{FIELD}: {shown!r}{_endpoint(protocol)} cannot be read"
    said = f" ({code})" if code else ""
    if "ImportError" in names or (protocol == "hdfs" and "OSError" in names and not code):
        needed = needed_beside_package(protocol) or "what it needs"
        return BadSpec(
            f"{where}: its driver does not start ({type(error).__name__}); install {needed}, on a cluster in the image "
            "that spec.image names"
        )
    if code == "NoSuchBucket":
        return InputMissing(f"{where}: the server has no such bucket{said}; correct the address, or the endpoint")
    if code in _UNKNOWN_KEYS:
        return InputMissing(f"{where}: the server does not take the credentials{said}; {_keys(protocol, 'correct')}")
    if names & _NO_KEYS or _INSTANCE in str(error):
        return InputMissing(f"{where}: no credentials were found; {_keys(protocol, 'give')}")
    if code in ("403", "AccessDenied") or names & {"PermissionError", "PermissionDeniedError"}:
        return InputMissing(
            f"{where}: it may not be read with these credentials, or with none{said}; allow it, or "
            f"{_keys(protocol, 'give others:')}"
        )
    if "FileNotFoundError" in names:
        return InputMissing(f"{where}: there is no such file{said}; correct the address")
    if "configured region" in str(error):
        return InputMissing(f"{where}: the bucket is in another region; give AWS_REGION, as in spec.workers.env")
    if code.isdecimal() and code.startswith("4") and code not in _BUSY:
        return InputMissing(f"{where}: the server refuses it{said}; correct the address")
    if code:
        return StorageUnavailable(f"{where}: the server cannot answer now{said}; try again later")
    for kind in _KINDS:
        if names & kind.names:
            return StorageUnavailable(f"{where}: {kind.cause} ({type(error).__name__}); {kind.remedy}")
    return StorageUnavailable(
        f"{where} ({type(error).__name__}); see that the address answers from where the workers run"
    )


def _links(error: BaseException) -> Iterator[BaseException]:
    """`error` and what it came from."""
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__ or link.__context__


def _names(error: Exception) -> set[str]:
    """Of all classes of `error` and what it came from, and of the kinds that obstore writes into its texts."""
    names = {each.__name__ for link in _links(error) for each in type(link).__mro__}
    return names | {kind for link in _links(error) for kind in _OBSTORE_KIND.findall(str(link))}


def _code(error: Exception) -> str:
    """The code that the server gave, of S3 or HTTP; empty: none."""
    for link in _links(error):
        response: Any = getattr(link, "response", None)
        if isinstance(response, dict) and response.get("Error", {}).get("Code"):
            return str(response["Error"]["Code"])[:60]
        status = getattr(link, "status", None)
        if isinstance(status, int) and 400 <= status < 600:
            return str(status)
        for pattern in _CODES:
            if found := pattern.search(str(link)):
                return found[1]
    return ""


def _endpoint(protocol: str) -> str:
    """Where S3 is looked for, if the environment says so."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if protocol not in ("s3", "s3a") or not endpoint:
        return ""
    parts = urlsplit(endpoint)
    return f" (at {parts.scheme}://{parts.netloc.rpartition('@')[2]})"


def _keys(protocol: str, verb: str) -> str:
    keys = _KEYS.get(protocol, "credentials")
    return f"{verb} {keys} in the environment, on a cluster from a Secret in spec.workers.env"
