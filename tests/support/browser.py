"""Headless Chromium for tests of pages: the one that is installed, driven by Playwright."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")


def installed_browser() -> str:
    """Return the path of a Chromium; the test is skipped where there is none."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    return path or pytest.skip("no Chromium is installed (Debian: apt-get install chromium)")


def dumped_page(page: Path, profile: Path, *flags: str) -> tuple[str, str]:
    """Return the title and the console's messages of a page, opened once without network."""
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]
    options += ["--dump-dom", f"--user-data-dir={profile}", "--host-rules=MAP * ~NOTFOUND"]
    done = subprocess.run(
        [installed_browser(), *options, *flags, page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    title = re.search(r"<title>(.*?)</title>", done.stdout)
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return title[1] if title else "", "\n".join(console)


@contextlib.contextmanager
def opened_browser(*flags: str) -> Iterator[Any]:
    """Yield a browser; the test is skipped where none can be opened."""
    api = pytest.importorskip("playwright.sync_api")
    path = installed_browser()
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*FLAGS, *flags])
        yield browser
        browser.close()


def accessibility_problems(page: Any) -> list[str]:
    """Return what axe-core finds wrong with a page, a line each."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    violations = axe.run(page).response["violations"]
    return [
        f"{found['id']}: {node['html'][:150]}" for found in violations for node in found["nodes"]
    ]
