"""Text for the index: words of documents, in their own letters; nothing hidden, nothing guessed."""

import io
import os
import tempfile
import zipfile
from datetime import UTC, datetime

import pytest

from ingest import program
from ingest.extractors import text
from ingest.readers import documents
from ingest.sandbox import Sandbox
from tests.shared import shared

WORDS = "Bridge 47, східний берег, الضفة الشرقية"


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(clock=lambda: datetime.now(UTC)) as sandbox:
        yield sandbox


def read(sandbox, content, name=""):
    with tempfile.TemporaryFile() as file:
        file.write(content)
        record = sandbox.extract(file, name_hint=name)
    found = [one.data.decode() for one in record.derivatives if one.kind == "text"]
    return (found[0] if found else None), record


def archive(**parts):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in parts.items():
            file.writestr(name.replace("__", "/").replace("_xml", ".xml"), content)
    return out.getvalue()


def test_plain_text_is_kept_in_its_letters(sandbox):
    assert read(sandbox, WORDS.encode())[0] == WORDS
    assert read(sandbox, WORDS.encode("utf-16"))[0] == WORDS


def test_what_is_not_in_its_encoding_is_left_out_and_said(sandbox):
    found, record = read(sandbox, "east берег bank".encode("cp1251"))
    assert found == "east bank"
    assert (
        "text: not in the encoding it declares, or none; letters were left out" in record.problems
    )
    assert record.outcome == "partial"


def test_html_gives_what_is_seen(sandbox):
    page = (
        f"<html><head><style>p{{}}</style><script>hidden()</script></head><![><p>{WORDS}</p></html>"
    )
    found, _ = read(sandbox, page.encode())
    assert found == WORDS


def test_html_is_read_in_the_encoding_that_it_states(sandbox):
    page = '<html><head><meta http-equiv="Content-Type" content="text/html; charset=windows-1251">'
    assert read(sandbox, f"{page}</head><p>східний берег</p></html>".encode("cp1251"))[0] == (
        "східний берег"
    )
    odd = page.replace("windows-1251", "zlib")  # Python knows it, and it is no encoding of text
    assert read(sandbox, f"{odd}</head><p>bank</p></html>".encode())[0] == "bank"


def test_mail_gives_its_bodies_and_not_its_attachments(sandbox):
    mail = (
        b"From: a@example.org\nTo: b@example.org\nSubject: x\nMessage-ID: <1@example.org>\n"
        b"Date: Wed, 1 May 2024 07:30:00 +0300\nMIME-Version: 1.0\n"
        b'Content-Type: multipart/mixed; boundary="b"\n\n'
        b"--b\nContent-Type: text/plain; charset=koi8-u\nContent-Transfer-Encoding: 8bit\n\n"
    )
    mail += "східний берег".encode("koi8-u")
    mail += b'\n--b\nContent-Type: text/plain; name="secret.txt"\nContent-Disposition: attachment;'
    mail += b' filename="secret.txt"\n\nattached\n--b--\n'
    found, _ = read(sandbox, mail, "a.eml")
    assert found == "східний берег"


def test_office_documents_give_their_paragraphs(sandbox):
    space = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    body = "".join(f"<w:p><w:r><w:t>{line}</w:t></w:r></w:p>" for line in (WORDS, "second"))
    content = archive(
        **{"[Content_Types]_xml": "<Types/>"},
        word__document_xml=f"<w:document {space}><w:body>{body}</w:body></w:document>",
    )
    assert read(sandbox, content, "a.docx")[0] == f"{WORDS}\nsecond"


def test_a_bomb_of_a_document_ends_at_a_bound(sandbox):
    body = "<d><p>" + "x" * 50_000 + "</p></d>"
    content = archive(
        **{"[Content_Types]_xml": "<Types/>"}, word__document_xml="<d>" + body * 3000 + "</d>"
    )
    found, record = read(sandbox, content, "a.docx")
    assert len(found) <= text.MOST
    assert record.outcome in {"ok", "partial"}
    assert any("text: " in problem for problem in record.problems)


def test_entities_are_not_followed(sandbox):
    lol = '<!DOCTYPE d [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;">]><d><p>&b;</p></d>'
    content = archive(**{"[Content_Types]_xml": "<Types/>"}, word__document_xml=lol)
    found, record = read(sandbox, content, "a.docx")
    assert found is None
    assert any("document type" in problem for problem in record.problems)


def test_pdf_files_give_their_text_and_locked_ones_none(sandbox):
    if program.find("pdftotext") is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("no pdftotext")
    assert read(sandbox, documents.drawn())[0] == "bridge"
    folder = shared("samples", "documents", "pdfCabinetOfHorrors")
    found, record = read(sandbox, (folder / "encryption_openpassword.pdf").read_bytes())
    assert found is None
    assert "encrypted" in record.inhibitors
