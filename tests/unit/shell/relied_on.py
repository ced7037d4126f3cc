"""What the tests of compat.py share: a small API server, and a sentence that says which version moved what."""

import asyncio
import contextlib
import json
import platform
from importlib import metadata

import pytest
from aiohttp import web

GROUP = "/apis/wattrain.dev/v1alpha1"
DISCOVERY = {
    "/api": {"versions": ["v1"]},
    "/api/v1": {"resources": [{"name": "namespaces", "kind": "Namespace", "namespaced": False}]},
    "/apis": {
        "groups": [
            {
                "name": "wattrain.dev",
                "versions": [{"version": "v1alpha1"}],
                "preferredVersion": {"version": "v1alpha1"},
            }
        ]
    },
    GROUP: {
        "resources": [
            {"name": "trainingjobs", "kind": "TrainingJob", "namespaced": True},
            {"name": "powerdomains", "kind": "PowerDomain", "namespaced": False},
        ]
    },
}
for _resource in [*DISCOVERY["/api/v1"]["resources"], *DISCOVERY[GROUP]["resources"]]:
    _resource |= {"singularName": "", "verbs": ["list", "watch", "patch"]}


@contextlib.contextmanager
def relies_on(package, function):
    """Says of whatever fails inside which version has moved what, and where it is to be mended."""
    version = platform.python_version() if package == "asyncio" else metadata.version(package)
    try:
        yield
    except (Exception, asyncio.CancelledError, pytest.fail.Exception) as error:
        raise AssertionError(f"{package} {version} has moved what compat.{function} relies on: {error!r}") from error


def an_object(name, version, **rest):
    return {"metadata": {"name": name, "namespace": "team", "uid": name, "resourceVersion": str(version)}, **rest}


class FakeApi:
    """Answers discovery, LISTs and watches as an API server does, and remembers what it was asked."""

    def __init__(self, **lists):
        """`lists` has the objects of a LIST by plural; `events` gets what a watch reports next, by plural."""
        self.lists = lists
        self.events = {"trainingjobs": asyncio.Queue(), "powerdomains": asyncio.Queue()}
        self.asked = []

    def fail_watches(self):
        """Have every watch report an error, and end."""
        for events in self.events.values():
            events.put_nowait(("ERROR", {"kind": "Status", "code": 500, "message": "etcd"}))

    @contextlib.asynccontextmanager
    async def serve(self):
        """Its address."""
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.01)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()

    async def _answer(self, request):
        self.asked.append((request.method, request.path))
        if request.path in DISCOVERY:
            return web.json_response(DISCOVERY[request.path])
        plural = request.path.rpartition("/")[2]
        if plural not in self.events or request.method != "GET":
            return web.json_response({"kind": "Status", "message": "there is nothing here"}, status=404)
        if "watch" not in request.query:
            return web.json_response({"items": self.lists.get(plural, []), "metadata": {"resourceVersion": "10"}})
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            kind, body = await self.events[plural].get()
            await response.write(json.dumps({"type": kind, "object": body}).encode() + b"\n")
            if kind == "ERROR":
                return response
