"""A headless Chromium for tests, spoken to over a pipe: no driver, no port, nothing installed."""

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
HOW_TO_INSTALL = "no Chromium on PATH; on Debian: apt-get install chromium"
NO = ("sandbox", "first-run")
DISABLED = ("gpu", "quic", "background-networking", "component-update", "sync")
OPTIONS = ["--headless", "--remote-debugging-pipe"]
OPTIONS += [f"--no-{name}" for name in NO] + [f"--disable-{name}" for name in DISABLED]
SECONDS = 60
CODES = {"Tab": 9, "Enter": 13, "Escape": 27, "End": 35, "Home": 36}
CODES |= {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
TEXTS = {"Enter": "\r"}


def program():
    """Return the browser's path, or None."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


needed = pytest.mark.skipif(program() is None, reason=HOW_TO_INSTALL)


class Page:
    """One open page: what it asked for, what it complained about, and what it shows."""

    def __init__(self, to_browser, from_browser):
        self._to, self._from, self._buffer, self._id, self._session = to_browser, from_browser, b"", 0, None
        self.requests, self.complaints, self._events = [], [], []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def open(self, path, fragment="", width=1200, height=800, scheme="light"):
        """Open a file in a window of a size and a colour scheme; wait until it has loaded."""
        media = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", features=media)
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        self._load("about:blank")  # else a fragment of the page that is open would not load it again
        self._load(Path(path).as_uri() + fragment)
        return self

    def _load(self, url):
        for heard in (self.requests, self.complaints, self._events):
            heard.clear()
        self.call("Page.navigate", url=url)
        while "Page.loadEventFired" not in self._events:
            self._take(self._read())

    def run(self, expression):
        """Return the value of a JavaScript expression."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def text(self, name):
        """Return the text of the element with this id."""
        return self.run(f"document.getElementById('{name}').textContent")

    def count(self, selector):
        """Return how many elements fit a selector."""
        return self.run(f"document.querySelectorAll({json.dumps(selector)}).length")

    def box(self, selector):
        """Return where the first element that fits a selector is."""
        return self.run(f"document.querySelector({json.dumps(selector)}).getBoundingClientRect().toJSON()")

    def set(self, name, value):
        """Type into a field."""
        box = f"document.getElementById('{name}')"
        self.run(f"{box}.value = {json.dumps(value)}; {box}.dispatchEvent(new Event('input'))")

    def focused(self):
        """Return the id of what has the focus, or its kind."""
        return self.run("document.activeElement.id || document.activeElement.tagName")

    def colours(self):
        """Return the colour of text and of paper, as `#rrggbb`."""
        names = "['color', 'backgroundColor'].map((name) => getComputedStyle(document.body)[name]"
        found = self.run(f"{names}.match(/[0-9]+/g).slice(0, 3).map(Number))")
        return ["#" + "".join(f"{part:02x}" for part in colour) for colour in found]

    def loads_only(self, path):
        """Fail if the page asked for anything but itself, or complained."""
        assert self.complaints == []
        assert [url for url in self.requests if not url.startswith("data:")] == [Path(path).as_uri()]

    def press(self, key):
        """Press and release a key; the browser does what it does for it (Tab, Enter on a button)."""
        code = CODES.get(key, ord(key.upper()) if len(key) == 1 else 0)
        for kind in ("keyDown", "keyUp"):
            text = TEXTS.get(key, key) if kind == "keyDown" and (len(key) == 1 or key in TEXTS) else ""
            more = {"text": text} if text else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **more)

    def call(self, method, **params):
        """Send one command and return its result."""
        self._id += 1
        message = {"id": self._id, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._id:
                assert "error" not in answer, answer["error"]
                return answer["result"]
            self._take(answer)

    def _read(self):
        end = time.monotonic() + SECONDS
        while b"\0" not in self._buffer:
            assert time.monotonic() < end, "the browser does not answer"
            self._buffer += os.read(self._from, 65536)
        message, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(message)

    def _take(self, event):
        method, params = event.get("method", ""), event.get("params", {})
        self._events.append(method)
        if method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        if method == "Runtime.exceptionThrown":
            self.complaints.append(str(params["exceptionDetails"]))
        if method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.complaints.append(str(params["args"]))
        if method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.complaints.append(params["entry"]["text"])


@contextlib.contextmanager
def browsing():
    """Start a browser with an empty profile and yield a page; end the browser afterwards."""
    read_end, to_browser = os.pipe()
    from_browser, write_end = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [program(), *OPTIONS, f"--user-data-dir={profile}", "about:blank"]
        shell = ["bash", "-c", f'exec "$@" 3<&{read_end} 4>&{write_end}', "browser", *command]
        process = subprocess.Popen(
            shell, pass_fds=(read_end, write_end), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(read_end)
        os.close(write_end)
        try:
            yield Page(to_browser, from_browser)
        finally:
            process.terminate()
            process.wait(timeout=SECONDS)
            os.close(to_browser)
            os.close(from_browser)
