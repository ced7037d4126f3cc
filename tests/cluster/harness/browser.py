"""Headless Chromium, driven over its DevTools pipe: no driver, no port, no library."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.daemon import die_with_parent
from harness.unavailable import UnavailableError

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_OPTIONS = (
    "--headless", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu", "--disable-quic", "--disable-sync",
    "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update", "--hide-scrollbars",
    "--disable-extensions", "--no-default-browser-check", "--no-proxy-server", "--mute-audio", "about:blank",
)  # fmt: skip
_PATIENCE_SECONDS = 120
_KEYS = {"Tab": 9, "ArrowLeft": 37}


class BrowserError(Exception):
    """The browser refused, threw, or did not answer in time."""


class Page:
    """One page of the browser. What it wrote to its console, or failed to load, is in `messages`."""

    def __init__(self, browser: Browser, session: str):
        self._browser, self._session = browser, session
        self.messages: list[str] = []
        self.asked_for: list[str] = []
        """Addresses of all that was loaded since `open`."""
        for domain in ("Page", "Runtime", "Log", "Network", "Accessibility"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> Any:
        """One command of the DevTools protocol."""
        return self._browser.call(method, self._session, **parameters)

    def open(self, url: str, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Load `url` in a window of this size, with the user's wish for light or dark."""
        self.messages.clear()
        self.asked_for.clear()
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Page.navigate", url=url)
        self.wait_for(f"location.href.startsWith({json.dumps(url)}) && document.readyState !== 'loading'")

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, awaited where it is a promise."""
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise BrowserError(details.get("exception", {}).get("description") or details["text"])
        return answer["result"].get("value")

    def wait_for(self, condition: str) -> Any:
        """Until the JavaScript `condition` is true; its value. BrowserError where the page has thrown meanwhile."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not (found := self.evaluate(condition)):
            thrown = [message for message in self.messages if message.startswith("exception")]
            if thrown or time.monotonic() > deadline:
                raise BrowserError(f"not true within {_PATIENCE_SECONDS} s: {condition}; said: {self.messages}")
            self._browser.listen(0.05)
        return found

    def press(self, key: str) -> None:
        """Press and release a key, by its name in JavaScript."""
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=_KEYS[key])

    def screenshot(self, file: Path, *, whole: bool = True) -> None:
        """A PNG of the page, or of what the window shows of it."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        file.write_bytes(base64.b64decode(shot["data"]))

    def take(self, method: str, parameters: dict[str, Any]) -> None:
        """An event of this page."""
        if method == "Runtime.consoleAPICalled":
            told = " ".join(str(argument.get("value", argument.get("description"))) for argument in parameters["args"])
            self.messages.append(f"console.{parameters['type']}: {told}")
        elif method == "Runtime.exceptionThrown":
            details = parameters["exceptionDetails"]
            self.messages.append(f"exception: {details.get('exception', {}).get('description', details['text'])}")
        elif method == "Network.requestWillBeSent":
            self.asked_for.append(parameters["request"]["url"])
        elif method == "Log.entryAdded":
            entry = parameters["entry"]
            self.messages.append(f"{entry['level']}: {entry['text']} {entry.get('url', '')}")


class Browser:
    """A running browser."""

    def __init__(self, process: subprocess.Popen[bytes], to: int, back: int):
        self._process, self._to, self._back = process, to, back
        self._buffer = b""
        self._last_id = 0
        self._answers: dict[int, dict[str, Any]] = {}
        self._pages: dict[str, Page] = {}

    def new_page(self) -> Page:
        """A page of its own, with nothing in common with others."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session)
        self._pages[session] = page
        return page

    def call(self, method: str, session: str | None = None, **parameters: Any) -> Any:
        """Send a command and wait for its answer."""
        self._last_id += 1
        message: dict[str, Any] = {"id": self._last_id, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while self._last_id not in self._answers:
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise BrowserError(f"no answer to {method}; exit code {self._process.poll()}")
            self.listen(1)
        answer = self._answers.pop(self._last_id)
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def listen(self, seconds: float) -> None:
        """Take in what the browser says, waiting up to `seconds` for something."""
        if not select.select([self._back], [], [], seconds)[0]:
            return
        self._buffer += os.read(self._back, 1 << 20)
        *messages, self._buffer = self._buffer.split(b"\0")
        for message in map(json.loads, messages):
            if "id" in message:
                self._answers[message["id"]] = message
            elif message.get("sessionId") in self._pages:
                self._pages[message["sessionId"]].take(message["method"], message["params"])


@contextmanager
def running_browser() -> Iterator[Browser]:
    """A browser that ends with the block. UnavailableError where there is none."""
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        raise UnavailableError(
            "the page is NOT drawn, for there is no Chromium: run tests/cluster/install-packages.sh, or install the "
            "package chromium"
        )
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory(prefix="wattrain-browser-", ignore_cleanup_errors=True) as profile:
        commands, answers = os.pipe(), os.pipe()
        process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{commands[0]} 4>&{answers[1]}', "bash", program,
             f"--user-data-dir={profile}", *root, *_OPTIONS],
            pass_fds=(commands[0], answers[1]), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "TZ": "UTC", "LANG": "C.UTF-8"}, start_new_session=True, preexec_fn=die_with_parent,
        )  # fmt: skip
        os.close(commands[0])
        os.close(answers[1])
        try:
            yield Browser(process, commands[1], answers[0])
        finally:
            os.close(commands[1])  # by which it ends
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            os.close(answers[0])
