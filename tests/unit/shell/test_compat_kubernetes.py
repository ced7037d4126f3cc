"""What is relied on of the inside of kubernetes.aio and aiohttp."""

import asyncio
import json

import aiohttp
import pytest
from aiohttp import web
from kubernetes.aio.client import Configuration

from wattrain_operator.cluster.kube.compat import Connections, authorization

from .relied_on import relies_on

TIMEOUT = aiohttp.ClientTimeout(total=10)
JSON = {"Content-Type": "application/json"}


class RefusedError(Exception):
    pass


def play(story, answer, check=lambda: None, limit=4):
    """Run `story` with connections to a server that answers by `answer`."""

    async def main():
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.01)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        configuration = Configuration(host=f"http://127.0.0.1:{runner.addresses[0][1]}")
        connections = Connections(configuration, check, limit=limit, user_agent="tester")
        try:
            async with asyncio.timeout(10):
                return await story(connections, configuration)
        finally:
            await connections.close()
            await runner.cleanup()

    return asyncio.run(main())


def test_a_request_carries_headers_and_body_and_its_answer_is_not_read_yet(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # the environment is not heeded
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    go_on = asyncio.Event()

    async def answer(request):
        body = await request.json()
        response = web.StreamResponse(status=409)
        await response.prepare(request)
        headers = {name: request.headers[name] for name in ("User-Agent", "Authorization", "Content-Type")}
        await response.write(json.dumps([request.method, request.path_qs, body, headers]).encode() + b"\n")
        await go_on.wait()
        await response.write(b"end")
        return response

    async def story(connections, configuration):
        configuration.api_key["BearerToken"] = "Bearer secret"
        response = await connections.request("PATCH", "/a?b=c", JSON, {"d": 1}, TIMEOUT)
        assert isinstance(response, aiohttp.ClientResponse)
        first = json.loads(await response.content.readline())
        go_on.set()
        return response.status, first, await response.read()

    with relies_on("kubernetes", "Connections"):
        headers = {"User-Agent": "tester", "Authorization": "Bearer secret", "Content-Type": "application/json"}
        assert play(story, answer) == (409, ["PATCH", "/a?b=c", {"d": 1}, headers], b"end")


def test_a_request_that_the_check_refuses_is_never_sent():
    seen, refuse = [], [True]

    async def answer(request):
        seen.append(request.path)
        return web.Response()

    def check():
        if refuse[0]:
            raise RefusedError

    async def story(connections, _):
        with pytest.raises(RefusedError):
            await connections.request("POST", "/refused", JSON, {}, TIMEOUT)
        refuse[0] = False
        await (await connections.request("POST", "/sent", JSON, {}, TIMEOUT)).read()

    with relies_on("aiohttp", "_CheckedConnector"):
        play(story, answer, check)
        assert seen == ["/sent"]


def test_the_check_is_asked_when_a_request_has_waited_for_its_connection():
    order = []
    go_on = asyncio.Event()

    async def answer(request):
        order.append(request.path)
        await go_on.wait()
        return web.Response()

    async def story(connections, _):
        async def send(path):
            await (await connections.request("POST", path, JSON, {}, TIMEOUT)).read()

        first = asyncio.create_task(send("/first"))
        while len(order) < 2:
            await asyncio.sleep(0)
        second = asyncio.create_task(send("/second"))
        for _ in range(20):
            await asyncio.sleep(0)  # it waits: there is but one connection
        order.append("free")
        go_on.set()
        await asyncio.gather(first, second)

    with relies_on("aiohttp", "_CheckedConnector"):
        play(story, answer, lambda: order.append("check"), limit=1)
        assert order == ["check", "/first", "free", "check", "/second"]


def test_a_credential_that_changes_is_read_again():
    tokens = iter(["Bearer one", "Bearer two"])

    def refresh(configuration):
        configuration.api_key["BearerToken"] = next(tokens)

    async def main():
        configuration = Configuration()
        none = await authorization(configuration)
        configuration.api_key["BearerToken"] = "Bearer zero"
        configuration.refresh_api_key_hook = refresh
        return none, await authorization(configuration), await authorization(configuration)

    with relies_on("kubernetes", "authorization"):
        assert asyncio.run(main()) == ("", "Bearer one", "Bearer two")
