"""check.html as a file: one form, no way out, vendored parts unchanged, catalogues complete."""

import re
from base64 import b64encode
from hashlib import sha256

import pytest

from repository.exports import checker
from tests.shared import ROOT

SOURCE = ROOT / "repository" / "exports" / "checker"


def page() -> str:
    return checker.checker_html().decode()


def test_it_is_one_file_that_can_reach_nothing():
    text = page()
    [policy] = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text)
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules.keys() == {
        "default-src", "script-src", "style-src", "worker-src", "base-uri", "form-action",
    }  # fmt: skip
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    for tag, rule in (("script", "script-src"), ("style", "style-src")):
        [inside] = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = b64encode(sha256(inside.encode()).digest()).decode()
        assert rules[rule].split()[0] == f"'sha256-{digest}'"
    assert rules["script-src"].split()[1:] == ["'wasm-unsafe-eval'"]
    assert not re.search(r"""(src|href)=["']?(https?:|//)""", text)


def test_it_is_the_same_bytes_whenever_it_is_made():
    first = checker.checker_html()
    checker.checker_html.cache_clear()
    assert checker.checker_html() == first
    assert checker.digest() == f"sha256:{sha256(first).hexdigest()}"


def test_what_is_vendored_is_what_was_taken():
    told = (SOURCE / "vendor" / "README.md").read_text()
    listed = dict(
        reversed(line.split("  ")) for line in re.findall(r"^[0-9a-f]{64}  .+$", told, re.M)
    )
    found = {
        path.name: sha256(path.read_bytes()).hexdigest() for path in SOURCE.glob("vendor/*.js")
    }
    assert found == listed


def test_its_sources_name_no_html_and_no_code_in_texts():
    """Texts of a bundle go in as text: nothing in the sources could make markup or code of one."""
    for path in [*SOURCE.glob("engine/*.js"), *SOURCE.glob("page/*.js")]:
        found = re.findall(
            r"innerHTML|outerHTML|insertAdjacent|document\.write|DOMParser|\beval\b|new Function"
            r"|JSON\.parse|\bfetch\(|XMLHttp|WebSocket|localStorage|sessionStorage|indexedDB",
            re.sub(r"//.*", "", path.read_text()),
        )
        assert found == [], path.name
        assert path.read_text().count("\n") < 470, path.name


@pytest.mark.parametrize("language", checker.LANGUAGES)
def test_a_catalogue_is_whole_and_keeps_the_places(language):
    english, told = checker.catalogue("en")["texts"], checker.catalogue(language)
    assert told["texts"].keys() == english.keys()
    for key, text in told["texts"].items():
        assert text.strip() == text != ""
        assert sorted(re.findall(r"\{\w+\}", text)) == sorted(re.findall(r"\{\w+\}", english[key]))
        assert language == "en" or text != english[key] or key in {"handling"}, key
        assert not re.search("admissible|authentic|tamper-proof", text, re.IGNORECASE)
    assert (told["dir"] == "rtl") == (language == "ar")


def test_the_command_writes_it_and_says_its_digest(house, tmp_path):
    place = tmp_path / "page.html"
    said = house.evidence("checker", "--out", place)
    assert place.read_bytes() == checker.checker_html()
    assert [said.code, said.lines] == [0, [{"sha256": checker.digest()}]]
    assert house.evidence("checker", "--out", place).code == 2  # it is there
    assert house.evidence("checker", "--digest").lines == said.lines


def test_the_service_gives_it_to_anybody_as_a_file(house):
    from api.app import create_app

    answer = create_app(house.repo).test_client().get("/check.html")
    assert answer.data == checker.checker_html()
    assert answer.headers["Content-Disposition"] == 'attachment; filename="check.html"'


def test_a_bundle_has_it_listed(house, tmp_path):
    (tmp_path / "a.txt").write_text("evidence")
    house.ingest(tmp_path / "a.txt")
    out = tmp_path / "bundle"
    said = house.evidence(
        "export", "--case", "KRN", "--out", out, "--purpose", "court", person="prosecutor"
    )
    assert said.code == 0, said.err
    assert (out / "check.html").read_bytes() == checker.checker_html()
    assert f"{checker.digest()[7:]}  check.html" in (out / "tagmanifest-sha256.txt").read_text()
    assert "check.html" in (out / "VERIFY.txt").read_text()
