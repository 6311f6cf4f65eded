"""The studio's files as they are served."""

from __future__ import annotations

import re
from importlib import resources

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from aigc.studio import routes

FILES = {
    file.name: file.read_text()
    for file in resources.files("aigc.studio").iterdir()
    if not file.name.endswith((".py", "__pycache__"))
}


@pytest.fixture(scope="module")
def client() -> TestClient:
    return TestClient(Starlette(routes=routes()))


def path_of(name: str) -> str:
    return {"index.html": "/", "docs.html": "/docs"}.get(name, f"/studio/{name}")


@pytest.mark.parametrize("name", FILES)
def test_every_file_is_served_as_what_it_is(client: TestClient, name: str) -> None:
    answer = client.get(path_of(name))
    assert answer.status_code == 200 and answer.text == FILES[name]
    kinds = {
        "html": "text/html",
        "css": "text/css",
        "js": "text/javascript",
        "svg": "image/svg+xml",
    }
    assert answer.headers["content-type"].startswith(kinds[name.rpartition(".")[2]])
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_file_that_is_known_is_not_sent_again(client: TestClient) -> None:
    tag = client.get("/").headers["etag"]
    again = client.get("/", headers={"if-none-match": f'"other", W/{tag}'})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/", headers={"if-none-match": '"other"'}).status_code == 200
    assert client.get("/studio/studio.js").headers["etag"] != tag


def test_the_policy_allows_this_endpoint_and_nothing_else(client: TestClient) -> None:
    policy = client.get("/").headers["content-security-policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == "'self'"
    assert "unsafe" not in policy and "http" not in policy and "*" not in policy


@pytest.mark.parametrize("name", FILES)
def test_nothing_is_loaded_from_elsewhere(name: str) -> None:
    text = FILES[name]
    for kind in ("www.w3.org", "cv.iptc.org"):  # names, not addresses to load
        text = text.replace(f"http://{kind}", "")
    assert not re.search(r"(https?:)?//[a-z0-9-]+\.[a-z]", text)
    assert not re.search(r"@import|url\(", text)


@pytest.mark.parametrize("name", ["index.html", "docs.html"])
def test_a_page_has_no_inline_scripts_or_styles(name: str) -> None:
    page = FILES[name]
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", page)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", page))
    for file, text in FILES.items():
        if file.endswith(".js"):
            assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|eval\(|Function\(", text)


def test_scripts_name_only_what_the_page_has() -> None:
    ids, of_docs = (
        set(re.findall(r'\bid="([^"]+)"', FILES[page])) for page in ("index.html", "docs.html")
    )
    assert set(re.findall(r'\$\("([a-z-]+)"\)', FILES["docs.js"])) <= of_docs
    for name, text in FILES.items():
        if name.endswith(".js") and name != "docs.js":
            assert set(re.findall(r'\$\("([a-z-]+)"\)', text)) <= ids, name
    icons = set(re.findall(r'href="#(i-[a-z]+)"', FILES["index.html"]))
    assert icons <= ids
    imports = re.findall(r'from "\./([a-z]+\.js)"', "".join(FILES.values()))
    assert set(imports) <= set(FILES)


def test_files_are_short_enough_to_read() -> None:
    assert all(len(text.splitlines()) <= 300 for text in FILES.values())
