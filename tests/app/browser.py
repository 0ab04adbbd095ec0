"""A real browser for the tests of the page: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-sync"]
MILLISECONDS = 60_000


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser; skips the test where there is none."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip("no Chromium is installed; on Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, address: str, width: int = 1000) -> Iterator[Page]:
    """The page in a fresh profile. On leaving: no script failed, no policy was violated, nothing came from elsewhere."""
    context = browser.new_context(base_url=address, viewport={"width": width, "height": 800})
    context.set_default_timeout(MILLISECONDS)
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console", lambda message: complaints.append(message.text) if message.type == "error" and "status of" not in message.text else None
    )
    page.on("request", lambda request: None if request.url.startswith((address, f"blob:{address}")) else complaints.append(request.url))
    page.goto("/")
    page.locator("#operator option").first.wait_for(state="attached")
    yield page
    assert complaints == [], complaints
    context.close()
