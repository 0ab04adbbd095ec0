"""The page in a real browser, with the real service behind it. What a screen reader is told is how these tests find things."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from app.store import Store
from tests.app.browser import MILLISECONDS, chromium, opened
from tests.app.helpers import MEASUREMENT, ROOT, LiveServer, npy, picture, post, spec, until

pytestmark = pytest.mark.timeout(300)

PHOTOGRAPH = {"name": "photo.png", "mimeType": "image/png", "buffer": picture(np.arange(256, dtype=np.uint8).reshape(16, 16))}
LONG = 2000
FILE = "File (or drop one here)"

expect.set_options(timeout=MILLISECONDS)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, live: LiveServer) -> Iterator[Page]:
    with opened(browser, address(live)) as page:
        yield page


def address(live: LiveServer) -> str:
    return str(live.client.base_url).rstrip("/")


def fill(page: Page, iterations: int = 4) -> None:
    """A small job for the tiny prior, from a photograph."""
    page.get_by_label("Forward model").select_option("super_resolution")
    page.get_by_label("noise std").fill("0.2")
    page.get_by_label(FILE, exact=True).set_input_files([PHOTOGRAPH])  # type: ignore[list-item]
    page.get_by_label("Samples", exact=True).fill("3")
    page.get_by_text("Sampler settings").click()
    page.get_by_label("n iterations").fill(str(iterations))
    page.get_by_label("denoising steps").fill("2")


def sample(page: Page) -> None:
    page.get_by_role("button", name="Sample", exact=True).click()


def job_id(page: Page) -> str:
    expect(page).to_have_url(re.compile(r"/#/jobs/\w+$"))
    return page.url.rsplit("/", 1)[-1]


def width(image: Locator) -> int:
    """Pixels of a picture that has been loaded; 0 when it has not."""
    expect(image).to_be_visible()
    decode = "image => image.decode().then(() => image.naturalWidth)"
    again = f"image => ({decode})(image).catch(() => ({decode})(image))"  # decode() is refused when the next picture comes meanwhile
    pixels: int = image.evaluate(again)
    return pixels


def test_a_photograph_goes_in_and_a_posterior_comes_out(page: Page, live: LiveServer) -> None:
    fill(page)
    sample(page)
    expect(page.get_by_role("status")).to_have_text("Done.")
    for _ in range(2):  # as it came, and again after a reload of its address
        sizes = {name: width(page.get_by_role("img", name=name, exact=True)) for name in ("measurement", "posterior mean", "Sample 3")}
        assert sizes == {"measurement": 2, "posterior mean": 8, "Sample 3": 8}
        assert width(page.get_by_role("img", name="posterior standard deviation")) > 300
        expect(page.get_by_role("row", name="data residual")).to_have_count(1)
        expect(page.get_by_role("link", name="posterior.npz")).to_have_attribute("href", re.compile("^/v1/jobs/.*/posterior.npz$"))
        page.reload()
    job = live.job(job_id(page))
    assert (job["spec"]["n_samples"], job["spec"]["operator"]["noise_std"]) == (3, 0.2)
    page.get_by_role("link", name="New job").click()
    page.get_by_role("listitem").filter(has_text="succeeded").get_by_role("link", name="super resolution").first.click()
    expect(page.get_by_role("img", name="Sample 3")).to_be_visible()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", name="New job")).to_be_visible()
    assert live.client.get(f"/v1/jobs/{job['id']}").status_code == 404


def test_the_running_mean_is_seen_and_a_job_cancelled(page: Page, live: LiveServer) -> None:
    fill(page, LONG)
    sample(page)
    mean = page.get_by_role("img", name=re.compile(rf"^Mean of the samples after \d+ of {LONG} iterations$"))
    assert width(mean) == 8
    before = mean.get_attribute("alt") or ""
    expect(mean).not_to_have_attribute("alt", before)
    page.reload()
    assert width(mean) == 8
    bar = page.get_by_role("progressbar")
    expect(page.locator("#job-status")).to_contain_text("left.")
    assert 0 < float(bar.evaluate("bar => bar.value")) < LONG
    assert bar.evaluate("bar => bar.max") == LONG
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("status")).to_have_text("Cancelled.")
    expect(mean).to_be_hidden()
    assert live.job(job_id(page))["status"] == "cancelled"


def test_a_measurement_is_dropped_into_the_page(page: Page, live: LiveServer) -> None:
    fill(page)
    page.get_by_label("a measurement", exact=True).check()
    drop(page, MEASUREMENT)
    sample(page)
    expect(page.get_by_role("status")).to_have_text("Done.")
    np.testing.assert_array_equal(np.load(live.settings.data_dir / "jobs" / job_id(page) / "measurement.npy"), np.zeros((1, 2, 2)))


def drop(page: Page, content: bytes) -> None:
    script = """(box, bytes) => {
        const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(bytes)], "dropped.npy"));
        const options = { dataTransfer: data, bubbles: true, cancelable: true };
        for (const type of ["dragover", "drop"]) box.dispatchEvent(new DragEvent(type, options));
    }"""
    page.locator("#drop").evaluate(script, list(content))


def test_errors_are_shown_where_they_are(page: Page) -> None:
    sample(page)
    expect(page.get_by_role("alert")).to_contain_text("Choose a file first.")
    expect(page.get_by_label(FILE, exact=True)).to_be_focused()
    fill(page)
    page.get_by_label("n iterations").fill("0")
    sample(page)
    expect(page.get_by_role("alert")).to_contain_text("sampler.n_iterations")
    expect(page.get_by_label("n iterations")).to_be_focused()
    expect(page.get_by_label("n iterations")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("n iterations").fill("4")
    page.get_by_label("a measurement", exact=True).check()
    drop(page, npy(np.zeros((1, 3, 5))))
    sample(page)
    expect(page.get_by_role("alert")).to_contain_text("expected a measurement of shape (1, 2, 2)")
    expect(page.get_by_label("n iterations")).not_to_have_attribute("aria-invalid", "true")


def test_an_unknown_job_is_said_to_be_unknown(page: Page) -> None:
    page.goto("/#/jobs/unknown")
    expect(page.get_by_role("alert")).to_contain_text("No such job")


def test_the_forms_are_the_schemas(page: Page, live: LiveServer) -> None:
    for kind, label in {"operator": "Forward model", "sampler": "Sampler"}.items():
        page.locator("details").evaluate_all("all => all.forEach((details) => { details.open = true; })")
        for entry in live.client.get(f"/v1/{kind}s").json()[f"{kind}s"]:
            page.get_by_label(label, exact=True).select_option(entry["name"])
            for name, field in entry["schema"]["properties"].items():
                control = page.locator(f"#{kind}-parameters").get_by_label(name.replace("_", " "), exact=True)
                expect(control).to_have_accessible_description(field["description"])
                if field.get("type") == "boolean":
                    expect(control).to_be_checked(checked=field["default"])
                elif field.get("default") is not None:
                    expect(control).to_have_value(str(field["default"]).removesuffix(".0"))


def test_structured_parameters_are_typed_as_json(page: Page, live: LiveServer) -> None:
    page.get_by_label("Forward model").select_option("composed")
    page.get_by_label("physics").fill('{"kind": "inpainting", "keep": 0.8}')
    page.get_by_label("observation").fill('{"kind": "quantized", "bits": 2}')
    page.get_by_label(FILE, exact=True).set_input_files([PHOTOGRAPH])  # type: ignore[list-item]
    page.get_by_text("Sampler settings").click()
    page.get_by_label("n iterations").fill("2")
    page.get_by_label("denoising steps").fill("2")
    sample(page)
    expect(page.get_by_role("img", name=re.compile("mean", re.IGNORECASE)).first).to_be_visible()
    (job, *_) = live.client.get("/v1/jobs").json()["jobs"]
    assert job["spec"]["operator"]["physics"] == {"kind": "inpainting", "keep": 0.8}
    facts = page.locator("#job-facts")
    expect(facts).to_contain_text("physics inpainting, keep 0.8")
    expect(facts).to_contain_text("observation quantized, bits 2")


def test_long_parameters_are_told_by_their_size(page: Page, live: LiveServer) -> None:
    kernel = [[1 / 9] * 3] * 3
    operator = {"name": "composed", "physics": {"kind": "blur", "kernel": kernel}, "observation": {"kind": "gaussian"}}
    answer = post(live.client, npy(np.zeros((1, 8, 8), dtype=np.float32)), given=spec(operator=operator))
    job_id = answer.json()["id"]
    page.goto(f"{address(live)}/#/jobs/{job_id}")
    expect(page.locator("#job-facts")).to_contain_text("physics blur, kernel of 3 x 3 numbers")


def test_everything_can_be_done_from_the_keyboard(page: Page) -> None:
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    seen = [focused(page) for _ in range(60) if page.keyboard.press("Tab") is None]
    wanted = ["operator", "prior", "operator-factor", "operator-noise_std", "file", "n_samples", "seed", "submit"]
    assert [name for name in seen if name in wanted][: len(wanted)] == wanted
    page.get_by_label(FILE, exact=True).set_input_files([PHOTOGRAPH])  # type: ignore[list-item]  # the file dialog is the system's
    page.get_by_label("Seed").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=re.compile("^Job "))).to_be_visible()
    expect(page.locator("main")).to_be_focused()
    page.get_by_role("button", name="Cancel").press("Enter")
    expect(page.get_by_role("status")).to_have_text("Cancelled.")


def focused(page: Page) -> str:
    name: str = page.evaluate("document.activeElement.id")
    return name


def test_no_control_is_without_a_name(page: Page) -> None:
    page.locator("details").evaluate_all("all => all.forEach((details) => { details.open = true; })")
    for control in page.locator("input, select, button, a, summary, progress").all():
        if control.is_visible():
            expect(control).to_have_accessible_name(re.compile("."))
    assert page.locator("html").get_attribute("lang") == "en"


@pytest.mark.parametrize("where", ["/", "job"])
def test_a_narrow_screen_needs_no_scrolling_sideways(browser: Browser, live: LiveServer, where: str) -> None:
    with opened(browser, address(live), width=320) as page:
        if where == "job":
            job = post(live.client, headers={"Prefer": "wait=60"}).json()
            page.goto(f"/#/jobs/{job['id']}")
            expect(page.get_by_role("img", name="Sample 2")).to_be_visible()
        page.locator("details").evaluate_all("all => all.forEach((details) => { details.open = true; })")
        assert page.evaluate("document.documentElement.scrollWidth") == 320


def program(page: Page, language: str) -> str:
    page.locator("details.calls").evaluate_all("all => all.forEach((details) => { details.open = true; })")
    return page.get_by_label(language, exact=True).locator("visible=true").inner_text()


def run_there(command: list[str], folder: Path, **variables: str) -> str:
    (folder / "photo.png").write_bytes(PHOTOGRAPH["buffer"])  # type: ignore[arg-type]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT / "client"), **variables}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_python_call_of_the_page_does_the_same(page: Page, live: LiveServer, tmp_path: Path) -> None:
    fill(page)
    assert "(1, 8, 8)" in run_there([sys.executable, "-c", program(page, "Python")], tmp_path)
    newest = live.client.get("/v1/jobs").json()["jobs"][0]
    assert_same_as_page(page, live, newest)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_curl_call_of_the_page_does_the_same(page: Page, live: LiveServer, tmp_path: Path) -> None:
    fill(page)
    run_there(["sh", "-ec", program(page, "curl")], tmp_path)
    newest = live.client.get("/v1/jobs").json()["jobs"][0]
    assert_same_as_page(page, live, newest)
    page.goto(f"/#/jobs/{newest['id']}")
    shutil.copy(live.settings.data_dir / "jobs" / newest["id"] / "measurement.npy", tmp_path / "measurement.npy")
    run_there(["sh", "-ec", program(page, "curl")], tmp_path)
    again = live.client.get("/v1/jobs").json()["jobs"][0]
    assert again["id"] != newest["id"]
    assert again["spec"] == newest["spec"]


def assert_same_as_page(page: Page, live: LiveServer, other: dict[str, Any]) -> None:
    """The job that the page itself makes of its form gives the posterior of ``other``."""
    sample(page)
    mine = live.finished(job_id(page))
    assert mine["spec"] == other["spec"]
    until(lambda: live.job(other["id"])["status"] == "succeeded")
    for name, array in live.posterior(mine["id"]).items():
        np.testing.assert_array_equal(live.posterior(other["id"])[name], array)


def test_the_page_asks_for_a_key_and_then_works_with_it(browser: Browser, live: LiveServer, tmp_path: Path) -> None:
    """The last of these tests: from its first key on, the service asks for one."""
    store = Store(live.settings.store_url)
    key = store.add_key("page")
    try:
        with browser.new_context(base_url=address(live)) as context:
            page = context.new_page()
            page.goto("/")
            page.get_by_label("This service asks for an API key").fill(key)
            page.keyboard.press("Enter")
            fill(page)
            run_there([sys.executable, "-c", program(page, "Python")], tmp_path, DPNP_KEY=key)
            assert '-H "Authorization: Bearer $DPNP_KEY"' in program(page, "curl")
            sample(page)
            assert width(page.get_by_role("img", name="Sample 3")) == 8
            with page.expect_download() as download:
                page.get_by_role("link", name="posterior.npz").click()
            with np.load(download.value.path()) as arrays:
                assert arrays["samples"].shape == (3, 1, 8, 8)
    finally:
        store.revoke_key("page")
        store.close()
