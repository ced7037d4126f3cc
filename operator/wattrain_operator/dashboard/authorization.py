"""What a Prometheus behind authentication is sent to be let in, and where that may go."""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""What a bearer token is made of (RFC 6750)."""
Authorization = Callable[[], str | None]
"""The value of the header, anew for each request; None: there is none. ValueError where it cannot be had."""


def authorization_for(address: str, token_file: Path | None = None, *, plain_http: bool = False) -> Authorization:
    """By the token in `token_file`, or else by user and password in `address`.

    The file is read for each request, for tokens are renewed. `plain_http`: they may go over a network unencrypted.
    ValueError where there are both, where the file has no token, or where it would go over a network unencrypted.
    """
    parts = urlsplit(address)
    by_name = _basic(parts.username, parts.password)
    if token_file is None and by_name is None:
        return lambda: None
    if token_file is not None and by_name is not None:
        raise ValueError("--token-file: the address of the Prometheus has a user, too; give one of them")
    if parts.scheme == "http" and not plain_http and not _is_loopback(parts.hostname or ""):
        sent = "password" if token_file is None else "token"
        raise ValueError(
            f"--prometheus: {parts.hostname} would be sent the {sent} unencrypted; use https, or let `wattrain "
            "dashboard` do so with --allow-plain-http"
        )
    if token_file is None:
        return lambda: by_name
    _bearer(token_file)  # what is wrong with it is said at once
    return lambda: _bearer(token_file)


def _basic(user: str | None, password: str | None) -> str | None:
    if user is None:
        return None
    pair = f"{unquote(user)}:{unquote(password or '')}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def _bearer(file: Path) -> str:
    try:
        token = file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f"--token-file {file}: no token can be read ({getattr(error, 'strerror', None) or 'not ASCII'})"
        ) from None
    if not _TOKEN.fullmatch(token):
        raise ValueError(f"--token-file {file}: holds no bearer token; it is to hold the token alone, in one line")
    return f"Bearer {token}"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
