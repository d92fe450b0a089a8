"""Signatures of reports: as high as can be reached, plainly said, and known attacks are found."""

import io
import json
import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from types import SimpleNamespace

import pikepdf
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import SigFieldSpec, append_signature_field, enumerate_sig_fields
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from config.settings import Settings
from repository.errors import SignatureUnavailable
from repository.exports.pades.check import as_asn1, check
from repository.exports.pades.credential import open_credential
from repository.exports.pdf import render
from repository.exports.signatures import check_bundle, signed_pdf
from tests.authority import make_authority
from tests.house import CODE
from tests.repository.report_rows import report, row
from tests.signing import PASSPHRASE, Vouching, crl_of_authority
from tests.softhsm import PIN, token_or_skip


@pytest.fixture(scope="module")
def pdf():
    return render(report([row(1, "receipt")]))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Return somebody who vouches, a time-stamping authority, and settings that name them."""
    folder = tmp_path_factory.mktemp("signing")
    vouching, authority = Vouching(folder), make_authority(folder / "tsa")
    with vouching.serving(), authority.serving() as stamps:
        file = vouching.give()
        yield SimpleNamespace(
            vouching=vouching,
            authority=authority,
            roots=[vouching.root, x509.load_pem_x509_certificate(authority.root.encode())],
            settings={
                "report_signer_uri": f"file://{file}",
                "report_passphrase_file": vouching.secret,
                "report_revocation_hosts": ("127.0.0.1",),
                "report_crl_files": (crl_of_authority(authority, vouching),),
                "tsa_urls": (stamps,),
            },
        )


def a_repo(world, **changed):
    return SimpleNamespace(
        settings=Settings(**{**world.settings, **changed}),
        clock=lambda: datetime.now(UTC),
        tsa_roots=(world.authority.root,),
    )


def signed(world, pdf, **changed):
    return signed_pdf(a_repo(world, **changed), pdf, reason="Custody report")


def before(found):
    return found.size, found.sha256.removeprefix("sha256:")


@pytest.fixture(scope="module")
def whole(world, pdf):
    """Return the report at the highest level."""
    return signed(world, pdf)


@pytest.fixture(scope="module")
def plain(world, pdf):
    """Return the report with a signature alone."""
    return signed(world, pdf, tsa_urls=())


def test_a_report_is_signed_dated_and_shown_not_to_be_revoked(world, whole):
    found = check(whole.pdf, unsigned=before(whole), roots=world.roots)
    assert (whole.level, whole.problems) == ("B-LTA", ())
    assert (found.wrong, found.level, found.trusted) == ([], "B-LTA", True)
    assert whole.lacking("the report") == []


def test_the_first_bytes_stay_the_report_as_it_was_rendered(whole, pdf):
    assert whole.pdf[: whole.size] == pdf
    assert whole.sha256 == f"sha256:{sha256(pdf).hexdigest()}"


def test_what_was_said_of_revocation_and_every_certificate_is_in_the_document(whole):
    with pikepdf.open(io.BytesIO(whole.pdf)) as found:
        assert len(found.Root.DSS.OCSPs) == 1
        assert len(found.Root.DSS.CRLs) == 1
        assert len(found.Root.DSS.Certs) >= 2  # the others are in signature and time-stamp


def test_the_signed_document_stays_archivable_and_readable_aloud(whole, pdf):
    """What ISO 19005-3 and ISO 14289-1 ask of signature fields; no validator runs here."""
    with pikepdf.open(io.BytesIO(whole.pdf)) as found, pikepdf.open(io.BytesIO(pdf)) as old:
        root = found.Root
        assert "/Version" not in root
        assert root.Metadata.read_bytes() == old.Root.Metadata.read_bytes()
        with found.open_metadata() as metadata:
            assert (metadata.pdfa_status, metadata["pdfuaid:part"]) == ("3A", "1")
        fields = list(root.AcroForm.Fields)
        assert [str(one.T) for one in fields] == ["Signature", "Time-stamp"]
        assert "/NeedAppearances" not in root.AcroForm
        numbers = list(root.StructTreeRoot.ParentTree.Nums)
        parents = {int(numbers[i]): numbers[i + 1] for i in range(0, len(numbers), 2)}
        assert sorted(parents) == list(range(int(root.StructTreeRoot.ParentTreeNextKey)))
        for one in fields:
            assert int(one.F) & 0b100  # printed, as PDF/A asks
            assert not int(one.F) & 0b100011  # and neither invisible, hidden nor without view
            assert str(one.TU)
            element = parents[int(one.StructParent)]
            assert (str(element.S), element.K.Type, element.K.Obj.objgen) == (
                "/Form", "/OBJR", one.objgen,
            )  # fmt: skip
            assert element.objgen in [kid.objgen for kid in element.P.K if kid.is_indirect]
            page = found.pages[0].obj
            assert one.objgen in [annotation.objgen for annotation in page.Annots]
            assert str(page.Tabs) == "/S"


def test_pyhanko_by_itself_says_the_same(world, whole):
    reader = PdfFileReader(io.BytesIO(whole.pdf))
    context = ValidationContext(trust_roots=[as_asn1(one) for one in world.roots])
    status = validate_pdf_signature(reader.embedded_regular_signatures[0], context)
    assert status.bottom_line
    assert status.docmdp_ok


def pdfsig(tmp_path, data):
    if shutil.which("pdfsig") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI needs pdfsig (Debian: poppler-utils)")
        pytest.skip("pdfsig is not installed (Debian: poppler-utils)")
    file = tmp_path / "signed.pdf"
    file.write_bytes(data)
    done = subprocess.run(
        ["pdfsig", "-nocert", file], capture_output=True, text=True, check=False, timeout=60
    )
    return done.stdout


def test_pdfsig_agrees(whole, plain, tmp_path):
    said = pdfsig(tmp_path, whole.pdf)
    assert "Signature is Valid." in said
    assert "ETSI.CAdES.detached" in said
    first, second = said.split("Signature #2")
    assert "Not total document signed" in first
    assert "Total document signed" in second
    assert "Total document signed" in pdfsig(tmp_path, plain.pdf)
    broken = bytearray(plain.pdf)
    broken[1000] ^= 1
    assert "Signature is Valid." not in pdfsig(tmp_path, bytes(broken))


# What cannot be reached is said


@pytest.mark.parametrize(
    ("changed", "level", "said"),
    [
        ({"tsa_urls": ()}, "B-B", "no time-stamping authority"),
        ({"tsa_urls": ("http://127.0.0.1:1/tsr",)}, "B-B", "time-stamp: "),
        ({"report_revocation_hosts": ()}, "B-T", "127.0.0.1 is not among report_revocation_hosts"),
        ({"report_crl_files": ()}, "B-T", "revocation"),
        ({"report_crl_files": ("/nowhere.crl",)}, "B-T", "/nowhere.crl cannot be read"),
        ({"report_signer_uri": ""}, "none", "no certificate is configured"),
        ({"report_signer_uri": "file:///nowhere.p12"}, "none", "/nowhere.p12 cannot be read"),
        ({"report_passphrase_file": None}, "none", "no key that its passphrase opens"),
        ({"report_signer_uri": "https://elsewhere/"}, "none", "is file:///path or pkcs11:"),
    ],
)
def test_a_lower_level_is_reached_and_says_why(world, pdf, changed, level, said):
    found = signed(world, pdf, **changed)
    assert found.level == level
    ((what, why),) = found.lacking("the report")
    assert "the report" in what
    assert said in why
    if level == "none":
        assert found.pdf == pdf
    else:
        assert check(found.pdf, unsigned=before(found)).wrong == []


def test_what_the_settings_demand_stops_everything_below_it(world, pdf):
    with pytest.raises(SignatureUnavailable, match="required is B-T, and B-B"):
        signed(world, pdf, tsa_urls=(), report_signature_required="B-T")
    with pytest.raises(SignatureUnavailable, match="no certificate is configured"):
        signed(world, pdf, report_signer_uri="", report_signature_required="B-B")
    assert signed(world, pdf, report_signature_required="B-LTA").level == "B-LTA"


def test_nothing_is_asked_of_a_host_that_only_the_certificate_names(world, pdf):
    world.vouching.asked.clear()
    signed(world, pdf, report_revocation_hosts=("ocsp.example",))
    assert world.vouching.asked == []


def test_crls_brought_by_hand_do_without_any_network_but_the_authority(world, pdf, tmp_path):
    file = tmp_path / "custodians.crl"
    file.write_bytes(world.vouching.crl())
    world.vouching.asked.clear()
    files = (*world.settings["report_crl_files"], file)
    found = signed(world, pdf, report_revocation_hosts=(), report_crl_files=files)
    assert (found.level, world.vouching.asked) == ("B-LTA", [])


def test_a_revoked_certificate_signs_nothing(world, pdf):
    world.vouching.revoked.add(world.vouching.own.serial_number)
    try:
        found = signed(world, pdf)
    finally:
        world.vouching.revoked.clear()
    assert (found.level, found.pdf) == ("none", pdf)
    assert "was revoked; nothing was signed" in found.problems[-1]


def test_a_certificate_whose_time_is_over_signs_nothing(world):
    with pytest.raises(SignatureUnavailable, match=r"valid from .* until"):
        open_credential(a_repo(world).settings, datetime.now(UTC) + timedelta(days=60))


def test_a_key_and_chain_in_pem_files_serve_as_well(world, pdf, tmp_path):
    from cryptography.hazmat.primitives import serialization

    file = tmp_path / "key.pem"
    form = serialization.BestAvailableEncryption(PASSPHRASE)
    file.write_bytes(
        world.vouching.own_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, form
        )
    )
    found = signed(
        world, pdf, report_signer_uri=f"file://{file}",
        report_certificate_file=world.vouching.chain,
    )  # fmt: skip
    assert found.level == "B-LTA"
    with pytest.raises(SignatureUnavailable, match="no certificate given is of the key"):
        open_credential(
            Settings(
                report_signer_uri=f"file://{file}", report_passphrase_file=world.vouching.secret
            ),
            datetime.now(UTC),
        )


@pytest.mark.hsm
def test_a_key_that_never_leaves_its_module_signs(world, pdf, tmp_path_factory):
    import pkcs11
    from pkcs11.util.ec import encode_ec_public_key, encode_named_curve_parameters

    from custody.hardware import place_of, session_on

    folder = tmp_path_factory.mktemp("module")
    uri = token_or_skip(folder, "custodian").format("report")
    session = session_on(place_of(uri, PIN), write=True)
    parameters = session.create_domain_parameters(
        pkcs11.KeyType.EC,
        {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")},
        local=True,
    )
    public, _ = parameters.generate_keypair(store=True, label="report")
    other = Vouching(folder)
    other.url = world.vouching.url
    other.give("In a module", load_der_public_key(encode_ec_public_key(public)))
    (folder / "pin").write_bytes(PIN)
    found = signed(
        world, pdf, report_signer_uri=uri, report_passphrase_file=folder / "pin",
        report_certificate_file=other.chain, tsa_urls=(),
    )  # fmt: skip
    assert (found.level, found.signer) == ("B-B", "CN=In a module"), found.problems
    assert check(found.pdf, unsigned=before(found)).wrong == []


# Known attacks (Mladenov, Mainka et al. 2019, 2021): each is found by name


def added(data, change):
    """Return a document with one more revision."""
    writer = IncrementalPdfFileWriter(io.BytesIO(data))
    change(writer)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def other_text(writer):
    page = writer.root["/Pages"]
    while page["/Type"] != "/Page":
        page = page["/Kids"][0]
    page["/Contents"] = writer.add_object(generic.StreamObject(stream_data=b"BT (other) Tj ET"))
    writer.update_container(page)


def a_note(writer):
    page, _ = writer.find_page_for_modification(0)
    words = generic.pdf_string("see the corrected version")
    note = {"/Type": "/Annot", "/Subtype": "/FreeText"}
    values = {generic.pdf_name(k): generic.pdf_name(v) for k, v in note.items()}
    values[generic.pdf_name("/Rect")] = generic.ArrayObject(map(generic.NumberObject, (0, 0, 9, 9)))
    values[generic.pdf_name("/Contents")] = words
    writer.register_annotation(page, writer.add_object(generic.DictionaryObject(values)))


def a_field(writer):
    append_signature_field(writer, SigFieldSpec("Approval"))


@pytest.mark.parametrize(
    "attack",
    {
        "incremental saving: other text": lambda data: added(data, other_text),
        "incremental saving: a note over the page": lambda data: added(data, a_note),
        "another signature field": lambda data: added(data, a_field),
        "bytes behind the end": lambda data: data + b"\n% more\n",
        "a whole document behind it": lambda data: data + data[: len(data) // 2],
        "an empty revision": lambda data: added(data, lambda writer: writer.update_root()),
    }.items(),
    ids=lambda one: one[0],
)
def test_what_is_added_behind_the_signature_is_found(plain, attack):
    assert check(attack[1](plain.pdf), unsigned=before(plain)).wrong


def test_what_is_added_behind_the_last_time_stamp_is_found(whole):
    for change in (other_text, a_field):
        assert check(added(whole.pdf, change), unsigned=before(whole)).wrong


def test_a_shadow_document_that_was_prepared_before_signing_is_found(world, pdf, whole):
    prepared = added(pdf, a_note)
    assert prepared[: len(pdf)] == pdf
    shadow = signed(world, prepared)
    assert shadow.level == "none"
    assert "had more than one revision" in shadow.problems[-1]
    other = signed(world, render(report([row(2, "receipt")])))
    assert check(other.pdf).wrong == []
    assert "is not the one recorded" in check(other.pdf, unsigned=before(whole)).wrong[0]


def test_a_signature_wrapped_around_other_objects_is_found(plain):
    data = plain.pdf
    gap = [int(v) for v in PdfFileReader(io.BytesIO(data)).embedded_signatures[0].byte_range]
    put = b"\n9999 0 obj\n<< /Type /Catalog >>\nendobj\n"
    moved = data[: gap[2]] + put + data[gap[2] :]
    old = f"/ByteRange [{gap[0]} {gap[1]} {gap[2]} {gap[3]}".encode()
    assert old in data or b"/ByteRange" in data
    at = data.index(b"/ByteRange")
    shown = data[at : data.index(b"]", at)]
    new = shown.replace(str(gap[2]).encode(), str(gap[2] + len(put)).encode())
    assert len(new) == len(shown)
    for wrapped in (moved, moved.replace(shown, new)):
        assert check(wrapped, unsigned=before(plain)).wrong


@pytest.mark.parametrize("forged", [b"/ByteRange [1", b"/ByteRange [-", b"/ByteRangX [0"])
def test_a_signature_whose_range_is_forged_is_found(plain, forged):
    at = plain.pdf.index(b"/ByteRange [0")
    data = plain.pdf[:at] + forged + plain.pdf[at + len(forged) :]
    assert check(data, unsigned=before(plain)).wrong


def a_second_signature(writer):
    append_signature_field(writer, SigFieldSpec("Approval"))
    first, second = (
        next(enumerate_sig_fields(writer, with_name=name))[2] for name in ("Signature", "Approval")
    )
    second.get_object()[generic.pdf_name("/V")] = first.get_object().raw_get("/V")
    writer.mark_update(second)


def test_a_second_signature_is_found(plain):
    wrong = check(added(plain.pdf, a_second_signature), unsigned=before(plain)).wrong
    assert any("there are other signatures than ours" in one for one in wrong)


def test_a_signature_of_somebody_else_is_whole_but_not_trusted(world, plain, tmp_path):
    other = Vouching(tmp_path)
    file = other.give("Somebody else")
    theirs = signed(
        world, plain.pdf[: plain.size], report_signer_uri=f"file://{file}",
        report_passphrase_file=other.secret, tsa_urls=(),
    )  # fmt: skip
    judged = check(theirs.pdf, unsigned=before(plain), roots=world.roots)
    assert (judged.wrong, judged.trusted) == ([], False)


def test_every_flipped_byte_and_every_cut_is_found(whole):
    size = len(whole.pdf)
    contents = whole.pdf.index(b"/Contents <", whole.size) + 11
    for position in [0, 9, whole.size - 3, whole.size + 40, contents + 200, size - 30, size - 2]:
        broken = bytearray(whole.pdf)
        broken[position] ^= 0x01
        assert check(bytes(broken), unsigned=before(whole)).wrong, position
    for end in (0, 100, whole.size, whole.size + 1000, size - 1):
        assert check(whole.pdf[:end], unsigned=before(whole)).wrong, end


# In a bundle


@pytest.fixture
def exporting(house, world, tmp_path, monkeypatch):
    """Return a way to export with settings, and where the bundle is."""
    (tmp_path / "a.txt").write_bytes(b"bytes")
    house.ingest(tmp_path / "a.txt")
    roots = tmp_path / "roots.pem"
    roots.write_text(world.authority.root)

    def export(**changed):
        settings = {**world.settings, "tsa_roots_file": roots, **changed}
        for name, value in settings.items():
            listed = isinstance(value, tuple)
            said = json.dumps([str(one) for one in value]) if listed else str(value)
            monkeypatch.setenv(f"EVIDENCE_{name.upper()}", said)
        place = tmp_path / "bundle"
        said = house.evidence(
            "export", "--case", CODE, "--out", place, "--purpose", "court", person="prosecutor"
        )
        return said, place

    return export


def test_a_bundle_tells_who_signed_its_report_and_what_it_was_before(exporting, house, world):
    said, place = exporting()
    assert said.code == 0, said.err
    assert not [one for one in said.lines[-1]["left_out"] if "signature of" in one["what"]]
    (told,) = json.loads((place / "documents.json").read_bytes())["documents"]
    pdf = (place / "custody-report.pdf").read_bytes()
    assert (told["path"], told["signature"]) == ("custody-report.pdf", "B-LTA")
    assert told["signer"] == "CN=A. Custodian"
    digest = f"sha256:{sha256(pdf[: told['unsigned']['size']]).hexdigest()}"
    assert told["unsigned"]["sha256"] == digest
    roots = place.parent / "signers.pem"
    roots.write_bytes(world.vouching.chain.read_bytes() + world.authority.root.encode())
    found = house.evidence("verify", place, "--signer-roots", roots)
    assert found.code == 0, found.out
    outcomes = {line["check"]: line["outcome"] for line in found.lines}
    assert (outcomes["signature"], outcomes["signer-trusted"]) == ("pass", "pass")
    (place / "custody-report.pdf").write_bytes(pdf + b"\n")
    outcomes = {one.check: one.outcome for one in check_bundle(place, None)}
    assert outcomes == {"signature": "fail"}


def test_a_bundle_whose_report_is_not_signed_says_so_everywhere(exporting, house):
    said, place = exporting(report_signer_uri="")
    assert said.code == 0, said.err
    wanted = "an electronic signature of the custody report"
    assert wanted in [one["what"] for one in said.lines[-1]["left_out"]]
    told = json.loads((place / "custody.json").read_bytes())["left_out"]
    assert wanted in [one["what"] for one in told]
    assert [(one.check, one.outcome) for one in check_bundle(place, None)] == [
        ("signature", "not-done")
    ]
    assert house.evidence("verify", place).code == 0
    (place / "custody-report.pdf").write_bytes(b"other")
    assert [one.outcome for one in check_bundle(place, None)] == ["fail"]


def test_a_demanded_signature_that_cannot_be_made_leaves_no_bundle(exporting, house):
    said, place = exporting(tsa_urls=(), report_signature_required="B-LTA")
    assert said.code == 3
    assert "report_signature_required is B-LTA, and B-B" in said.err
    assert not place.exists()
    last = house.last("report_generated")
    assert (last["outcome"], last["reason"]) == ("aborted", "signature-unavailable")


def test_a_worker_tries_again_when_the_authority_was_away():
    from repository.exports.interrupted import LATER

    assert issubclass(SignatureUnavailable, LATER)
