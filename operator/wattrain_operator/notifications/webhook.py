"""Sends a notification as a webhook, signed after the Standard Webhooks specification where there is a secret.

The specification: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md.
Neither the address nor the secret is ever part of a message: both may be all that protects the receiver.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

TIMEOUT_SECONDS: Final = 10.0
"""For the whole of a try, from the name of the host to the answer."""
SECRET_PREFIX: Final = "whsec_"
_KEY_BYTES: Final = range(24, 65)


class BadWebhookError(ValueError):
    """An address or a secret that cannot be used: what is wrong and what to do, without its value."""


@dataclass(frozen=True)
class Webhook:
    """A receiver, as its operator or user has named it."""

    host: str
    _url: str = field(repr=False)
    _key: bytes | None = field(repr=False)
    """None: what is sent is not signed."""

    @staticmethod
    def of(url: str, secret: str = "") -> Webhook:
        """The receiver at `url`, with the `secret` that it shares; empty: none. BadWebhookError where one is none."""
        return Webhook(host_of(url), url, key_of(secret) if secret else None)

    async def send(self, identity: str, body: bytes, now: float, timeout_seconds: float = TIMEOUT_SECONDS) -> str:
        """POST `body`, `now` in seconds since the epoch. Returns why it was not taken; empty: it was.

        Redirects are not followed: what is signed goes to the address that was named, and to no other.
        """
        import aiohttp  # a third of a second, which commands that send nothing need not wait for

        headers = {"Content-Type": "application/json", "User-Agent": "wattrain", **self._signature(identity, body, now)}
        timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, trust_env=True) as session,
                session.post(self._url, data=body, headers=headers, allow_redirects=False) as answer,
            ):
                return _meaning_of(answer.status)
        except TimeoutError:
            return f"no answer within {timeout_seconds:g} s"
        except aiohttp.ClientConnectorCertificateError:
            return "its certificate is not trusted"
        except aiohttp.ClientConnectorDNSError:
            return "its name is not known"
        except aiohttp.ClientConnectorError as error:
            return f"no connection ({os.strerror(error.os_error.errno or 0)})"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return f"the connection broke ({type(error).__name__})"

    def _signature(self, identity: str, body: bytes, now: float) -> dict[str, str]:
        timestamp = str(int(now))
        headers = {"webhook-id": identity, "webhook-timestamp": timestamp}
        if self._key is None:
            return headers
        signed = f"{identity}.{timestamp}.".encode() + body
        digest = hmac.new(self._key, signed, hashlib.sha256).digest()
        return {**headers, "webhook-signature": f"v1,{base64.b64encode(digest).decode()}"}


def host_of(url: str) -> str:
    """The name of the host in an address. BadWebhookError where it is none that notifications can be sent to."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadWebhookError("no address; write one such as https://hooks.example.com/wattrain") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or url != url.strip():
        raise BadWebhookError("begins with neither http:// nor https://, or names no host; write its whole address")
    return parts.hostname


def key_of(secret: str) -> bytes:
    """The key that a secret stands for. BadWebhookError where it is none."""
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(SECRET_PREFIX) or len(key) not in _KEY_BYTES:
        raise BadWebhookError(
            f"write {SECRET_PREFIX} and 24 to 64 bytes in base64 behind it, as `echo {SECRET_PREFIX}$(openssl rand "
            "-base64 32)` makes one"
        )
    return key


def _meaning_of(code: int) -> str:
    if 200 <= code < 300:
        return ""
    return f"HTTP {code}, a redirect, which is not followed" if 300 <= code < 400 else f"HTTP {code}"
