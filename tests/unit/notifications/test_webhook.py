"""What a receiver is sent, checked by the reference library of Standard Webhooks, and what failures are called."""

import asyncio
import socket
import time

import pytest
from harness.webhook_receiver import webhook_receiver
from standardwebhooks import Webhook as Reference
from standardwebhooks import WebhookVerificationError

from wattrain_operator.notifications.webhook import BadWebhookError, Webhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="


@pytest.fixture
def receiver():
    with webhook_receiver() as server:
        yield server


def send(url, secret="", now=None, **how):
    return asyncio.run(Webhook.of(url, secret).send("uid-complete", b'{"a": 1}', now or time.time(), **how))


def test_the_reference_library_accepts_the_signature(receiver):
    assert send(receiver.url, SECRET) == ""
    [request] = receiver.received
    assert Reference(SECRET).verify(request.body, request.headers) == {"a": 1}
    assert request.headers["webhook-id"] == "uid-complete"
    assert request.headers["Content-Type"] == "application/json"


def test_the_reference_library_refuses_another_body_another_id_another_secret_and_an_old_one(receiver):
    send(receiver.url, SECRET)
    send(receiver.url, SECRET, now=time.time() - 3600)
    request, old = receiver.received
    wrong = [
        (SECRET, request.body + b" ", request.headers),
        (SECRET, request.body, {**request.headers, "webhook-id": "uid-failed"}),
        ("whsec_" + "A" * 43 + "=", request.body, request.headers),
        (SECRET, old.body, old.headers),
    ]
    for secret, body, headers in wrong:
        with pytest.raises(WebhookVerificationError):
            Reference(secret).verify(body, headers)


def test_without_a_secret_nothing_is_signed(receiver):
    assert send(receiver.url) == ""
    assert "webhook-signature" not in receiver.received[0].headers


@pytest.mark.parametrize("code", [200, 201, 204])
def test_every_success_is_one(receiver, code):
    receiver.answer = lambda number: code
    assert send(receiver.url) == ""


@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(receiver, code):
    receiver.answer = lambda number: code
    assert send(receiver.url) == f"HTTP {code}, a redirect, which is not followed"
    assert [request.path for request in receiver.received] == ["/hook"]


@pytest.mark.parametrize("code", [400, 410, 429, 500, 503])
def test_every_other_answer_is_a_failure(receiver, code):
    receiver.answer = lambda number: code
    assert send(receiver.url) == f"HTTP {code}"


def test_a_receiver_that_does_not_answer_is_waited_for_no_longer_than_that(receiver):
    receiver.answer = lambda number: "wait"
    assert send(receiver.url, timeout_seconds=0.3) == "no answer within 0.3 s"


def test_a_connection_that_breaks_is_a_failure_and_not_tried_again_unasked(receiver):
    receiver.answer = lambda number: "break"
    assert send(receiver.url).startswith("the connection broke")
    assert len(receiver.received) == 1


def test_a_receiver_that_is_not_there_is_a_failure():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        failure = send(f"http://user:pass@127.0.0.1:{unused.getsockname()[1]}/secret?token=t")
    assert failure.startswith("no connection (")
    assert not any(part in failure for part in ("user", "pass", "secret", "token", "127"))


def test_a_name_that_is_not_known_is_a_failure():
    assert send("http://no-such-host.invalid/secret") == "its name is not known"


@pytest.mark.parametrize(
    "url",
    [
        "", "hooks.example.com/wattrain", "ftp://hooks.example.com", "file:///etc/passwd", "https://", "http:///path",
        "https://hooks.example.com:port", "https://hooks.example.com:99999", "https://[::1", " https://hooks.example.com",
        "javascript:alert(1)",
    ],
)  # fmt: skip
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(BadWebhookError, match="write"):
        Webhook.of(url)


@pytest.mark.parametrize(
    "secret",
    ["password", "whsec_", "whsec_!!!!", "whsec_c2hvcnQ=", "whsec_" + "A" * 400, SECRET.removeprefix("whsec_")],
)
def test_a_secret_that_is_none_is_refused_and_not_shown(secret):
    with pytest.raises(BadWebhookError, match="write whsec_") as refused:
        Webhook.of("https://hooks.example.com", secret)
    assert secret.removeprefix("whsec_") not in str(refused.value).replace("whsec_", "") or secret == "whsec_"


def test_neither_address_nor_secret_is_shown():
    webhook = Webhook.of("https://user:pass@hooks.example.com/T0/B1?token=t", SECRET)
    assert webhook.host == "hooks.example.com"
    assert repr(webhook) == "Webhook(host='hooks.example.com')"
