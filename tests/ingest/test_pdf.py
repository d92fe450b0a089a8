"""What PDFs say, what they carry, what is broken in them; and their signatures, offline."""

import hashlib
import io
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyhanko.keys import load_private_key_from_pemder_data
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign import signers
from pyhanko.sign.fields import SigSeedSubFilter
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.registry import SimpleCertificateStore

from ingest.extraction import Fact, Inhibitor, Member, Problem, Seal
from ingest.extractors import pdf as document
from ingest.extractors import pdf_signature
from tests.ingest.containers import packet
from tests.ingest.documents import certificate, pdf, stream
from tests.shared import shared


def items(data, extractor=document):
    return list(extractor.extract(io.BytesIO(data), None))


def facts(data):
    return {one.name: one for one in items(data) if isinstance(one, Fact)}


def seals(data, extractor=pdf_signature):
    return [one for one in items(data, extractor) if isinstance(one, Seal)]


def sample(*parts):
    return shared("samples", "documents", "pdfCabinetOfHorrors", *parts).read_bytes()


# --- what it says ---


def test_title_and_times_are_read_and_a_time_without_a_zone_is_given_none():
    info = b"/Title(Bridge)/CreationDate(D:20200105150400+02'00')/ModDate(D:20200106150400)"
    found = facts(pdf(info=info))
    assert found["PDF:Title"].value == "Bridge"
    assert found["PDF:CreateDate"].value == "2020-01-05T15:04:00+02:00"
    assert (found["PDF:ModifyDate"].value, found["PDF:ModifyDate"].tz) == (
        "2020-01-06T15:04:00", "unknown",
    )  # fmt: skip
    assert found["PDF:PageCount"].value == "1"


def test_xmp_of_the_catalogue_is_read():
    whole = pdf(
        b"/Metadata 5 0 R",
        objects=[stream(packet("<dc:format>x</dc:format>"), b"/Type/Metadata/Subtype/XML")],
    )
    assert facts(whole)["XMP-dc:Format"].value == "x"


def test_writing_on_is_counted():
    whole = pdf()
    assert facts(whole)["PDF:RevisionCount"].value == "1"
    assert facts(whole + whole)["PDF:RevisionCount"].value == "2"


def test_an_attachment_is_a_member_with_its_digest_and_its_stated_md5_is_checked():
    data = b"attached"
    for digest, verdict in ((hashlib.md5(data), "valid"), (hashlib.md5(b"other"), "broken")):
        params = b"/Params<</Size 8/CheckSum<%s>>>" % digest.hexdigest().encode()
        whole = pdf(
            b"/Names<</EmbeddedFiles<</Names[(a)5 0 R]>>>>",
            objects=[b"<</Type/Filespec/F(a.txt)/EF<</F 6 0 R>>>>", stream(data, params)],
        )
        (member,) = [one for one in items(whole) if isinstance(one, Member)]
        assert (member.path, member.size) == ("a.txt", 8)
        assert member.sha256 == f"sha256:{hashlib.sha256(data).hexdigest()}"
        assert [one.verdict for one in seals(whole, document)] == [verdict]


def test_scripts_and_programs_that_are_started_are_named():
    script = b"/OpenAction<</S/JavaScript/JS(app.alert\\(1\\))>>"
    assert "document" in facts(pdf(script))["PDF:JavaScript"].value
    assert "Launch" in facts(pdf(b"/OpenAction<</S/Launch/F(x)>>"))["PDF:Action"].value
    assert "PDF:JavaScript" in facts(sample("javascript.pdf"))


def test_a_password_asked_for_on_opening_is_an_inhibitor_and_no_failure():
    found = items(sample("encryption_openpassword.pdf"))
    assert Inhibitor("encrypted") in found
    assert not any(isinstance(one, Problem) and one.incomplete for one in found)
    assert facts(sample("encryption_openpassword.pdf"))["PDF:Encryption"].value == (
        "Standard V4.4 (128-bit)"
    )


# --- broken and hostile documents ---


@pytest.mark.parametrize("length", range(0, len(document.SAMPLE), 5))
def test_cut_anywhere_a_document_says_so(length):
    found = items(document.SAMPLE[:length])
    assert any(isinstance(one, Problem) for one in found)


def test_a_loop_in_the_table_of_places_ends():
    whole = pdf(trailer=b"/Prev 9")
    place = whole.index(b"xref")
    looped = whole.replace(b"/Prev 9", b"/Prev %d" % place)
    started = time.process_time()
    items(looped)
    items(looped, pdf_signature)
    assert time.process_time() - started < 2


def test_a_loop_in_the_tree_of_pages_or_names_ends():
    whole = pdf(b"/Names<</EmbeddedFiles 5 0 R>>", objects=[b"<</Kids[5 0 R 5 0 R 2 0 R]>>"])
    whole = whole.replace(b"/Kids[3 0 R]", b"/Kids[2 0 R]")
    started = time.process_time()
    items(whole)
    assert time.process_time() - started < 5


def test_a_stream_that_unpacks_to_gigabytes_is_not_unpacked():
    import zlib

    bomb = zlib.compress(b"\0" * (256 << 20), 9)
    whole = pdf(b"/Metadata 5 0 R", objects=[stream(bomb, b"/Type/Metadata/Filter/FlateDecode")])
    started = time.process_time()
    assert any("metadata" in one.reason for one in items(whole) if isinstance(one, Problem))
    assert time.process_time() - started < 5


@given(st.binary(max_size=20), st.integers(0, 420))
def test_a_changed_document_never_raises(patch, at):
    whole = document.SAMPLE[:at] + patch + document.SAMPLE[at + len(patch) :]
    for extractor in (document, pdf_signature):
        for item in items(whole, extractor):
            json.dumps(item.to_json())


def test_real_documents_agree_with_exiftool():
    compared = 0
    for oracle in sorted(shared("samples").glob("*/.oracle/exiftool-12.57.json")):
        for name, tags in json.loads(oracle.read_text()).items():
            if tags.get("File:MIMEType") != "application/pdf":
                continue
            ours = facts((oracle.parents[1] / name).read_bytes())
            for tag in ("PDF:Producer", "PDF:Creator", "PDF:PageCount", "PDF:PDFVersion",
                        "PDF:CreateDate", "PDF:Encryption"):  # fmt: skip
                if tag in ours and tag in tags:
                    mine, theirs = ours[tag].value, str(tags[tag]).strip()
                    if tag.endswith("Date"):
                        mine = mine.replace("-", ":", 2).replace("T", " ")
                    assert mine == theirs, (name, tag)
                    compared += 1
    assert compared >= 80


# --- signatures ---


@pytest.fixture(scope="module", params=["rsa", "ec"])
def signed(request):
    """A PDF that pyHanko signed with a key of its own."""
    return sign(pdf(), *certificate(request.param))


def signer_of(private, public):
    key = load_private_key_from_pemder_data(private, None)
    return signers.SimpleSigner(
        signing_cert=load_cert_from_pemder(public), signing_key=key,
        cert_registry=SimpleCertificateStore(),
    )  # fmt: skip


def load_cert_from_pemder(pem):
    from asn1crypto import pem as armour
    from asn1crypto import x509

    return x509.Certificate.load(armour.unarmor(pem)[2])


def sign(whole, private, public, subfilter=SigSeedSubFilter.ADOBE_PKCS7_DETACHED):
    meta = signers.PdfSignatureMetadata(
        field_name="Field", subfilter=subfilter, md_algorithm="sha256"
    )
    writer = IncrementalPdfFileWriter(io.BytesIO(whole))
    return signers.sign_pdf(writer, meta, signer=signer_of(private, public)).getvalue()


def test_a_document_without_a_signature_says_absent():
    assert [one.verdict for one in seals(pdf())] == ["absent"]


def test_a_signature_that_holds_is_untrusted_and_says_whose_it_is(signed):
    (seal,) = seals(signed)
    assert seal.verdict == "untrusted"
    assert "Common Name: Signer" in seal.detail
    assert "no authority" in seal.detail
    assert "added" not in seal.detail


def test_pyhanko_says_the_same_of_the_intact_and_the_broken(signed):
    for data in (signed, signed.replace(b"Box[0 0 10 10]", b"Box[0 0 10 11]", 1)):
        embedded = PdfFileReader(io.BytesIO(data)).embedded_signatures[0]
        theirs = validate_pdf_signature(
            embedded, ValidationContext(trust_roots=[], allow_fetching=False)
        )
        (ours,) = seals(data)
        assert (ours.verdict != "broken") == (theirs.intact and theirs.valid)


def test_one_changed_byte_breaks_it(signed):
    at = signed.index(b"/Type/Page/")
    broken = signed[:at] + b"/Type/Pagf/" + signed[at + 11 :]
    assert [one.verdict for one in seals(broken)] == ["broken"]


def test_what_was_added_afterwards_is_said(signed):
    (seal,) = seals(signed + b"\n% more\n")
    assert seal.verdict == "untrusted"
    assert "8 bytes were added" in seal.detail


def test_a_changed_signature_is_broken_and_garbage_is_not_checked(signed):
    start = signed.index(b"/Contents <") + 11
    end = signed.index(b">", start)
    data = bytes.fromhex(signed[start:end].decode())
    length = int.from_bytes(data[2:4], "big") + 4
    flipped = data[: length - 1] + bytes([data[length - 1] ^ 1]) + data[length:]
    (seal,) = seals(signed[:start] + flipped.hex().encode() + signed[end:])
    assert seal.verdict == "broken"
    (seal,) = seals(signed[:start] + b"00" * len(data) + signed[end:])
    assert seal.verdict == "not-checked"


@pytest.mark.parametrize(
    ("old", "new"),
    [(b"/ByteRange [0 ", b"/ByteRange [1 "), (b"/ByteRange [", b"/ByteRangf ["),
     (b"/adbe.pkcs7.detached", b"/adbe.pkcs7.detachee")],
)  # fmt: skip
def test_a_signature_that_does_not_cover_the_document_never_holds(signed, old, new):
    (seal,) = seals(signed.replace(old, new, 1))
    assert seal.verdict in {"broken", "not-checked"}


def test_bytes_hidden_in_the_gap_are_found(signed):
    """The gap must hold the signature alone: else anything could stand in it."""
    start = signed.index(b"/Contents <") + 11
    end = signed.index(b">", start)
    hidden = signed[: end - 40] + b">" + b" " * 38 + b"<" + signed[end:]
    assert [one.verdict for one in seals(hidden)] == ["broken"]


def test_an_expired_certificate_is_said():
    (seal,) = seals(sign(pdf(), *certificate(days=(-30, -10))))
    assert "outside the certificate's validity" in seal.detail


def test_a_cades_signature_is_read():
    (seal,) = seals(sign(pdf(), *certificate(), subfilter=SigSeedSubFilter.PADES))
    assert seal.verdict == "untrusted"
