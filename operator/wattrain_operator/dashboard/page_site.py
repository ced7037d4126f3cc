"""What the page's server answers to which path."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from wattrain_operator.dashboard.http_server import Answer, Request
from wattrain_operator.dashboard.shipped import ShippedDashboard, static_files
from wattrain_operator.dashboard.source_protocol import API, JSON_TYPE, Source, about_as_json

LOCAL_NAMES = ("127.0.0.1", "localhost", "::1")
_SAFE = {
    "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}  # fmt: skip
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
_POLICY_OF_RECEIPTS = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; sandbox allow-scripts"
)
"""A receipt is a file that opens without a server, so that its styles and scripts are in it. Here it is locked out of
everything else: the sandbox makes it a stranger to this server."""


class PageSite:
    """The page, the dashboards, and the figures of one source."""

    def __init__(
        self, source: Source, dashboards: Mapping[str, ShippedDashboard], host_names: Collection[str] = ()
    ) -> None:
        """`host_names`: under which it may be asked beside `LOCAL_NAMES`. Another name in a request is that of a
        stranger's site, which has had the browser believe that it lives at this address."""
        self._source, self._dashboards = source, dashboards
        self._hosts = {*LOCAL_NAMES, *host_names}

    def answer(self, request: Request) -> Answer:
        """Every answer has the headers that keep a browser from doing more than is meant."""
        found = self._found(request)
        return Answer(
            found.status, found.content_type, found.body, {**_SAFE, "Content-Security-Policy": _POLICY, **found.headers}
        )

    def _found(self, request: Request) -> Answer:
        if _host_name(request.host) not in self._hosts:
            return _text(403, f"Host {request.host}: not served; ask for {' or '.join(sorted(self._hosts))}")
        path = request.path
        if path.startswith(API):
            return self._source.ask(path.removeprefix(API), request.parameters)
        if path == "/about.json":
            return Answer(200, JSON_TYPE, about_as_json(self._source.about()))
        if path == "/receipt.html":
            return self._receipt(request)
        if path == "/dashboards.json":
            listed = [{"uid": each.uid, "title": each.title} for each in self._dashboards.values()]
            return Answer(200, JSON_TYPE, json.dumps(listed).encode())
        return self._file(path)

    def _file(self, path: str) -> Answer:
        """Files are looked up by their whole names, so that no path leads anywhere else."""
        dashboard = self._dashboards.get(path.removeprefix("/dashboards/").removesuffix(".json"))
        if path.startswith("/dashboards/") and dashboard is not None:
            return Answer(200, JSON_TYPE, dashboard.body)
        file = static_files().get("index.html" if path == "/" else path.removeprefix("/static/"))
        if file is not None and (path == "/" or path.startswith("/static/")):
            return Answer(200, file.content_type, file.body)
        return _text(404, "not found")

    def _receipt(self, request: Request) -> Answer:
        namespace, name = (request.parameters.get(key, [""])[0] for key in ("namespace", "name"))
        receipt = self._source.receipt(namespace, name)
        if receipt is None:
            return _text(404, f"there is no receipt of {namespace}/{name}")
        headers = {"Content-Security-Policy": _POLICY_OF_RECEIPTS}
        return Answer(200, "text/html; charset=utf-8", receipt, headers)


def _text(status: int, text: str) -> Answer:
    return Answer(status, "text/plain; charset=utf-8", text.encode())


def _host_name(header: str) -> str:
    """Without the port, which a forwarded one need not have in common with the server's."""
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""
