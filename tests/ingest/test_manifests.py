"""Lists in five formats: what each says of a file, and that what is wrong is one error."""

import csv
import io
import json
import os
import subprocess
import tracemalloc
from hashlib import md5, sha1, sha224, sha256, sha384, sha512

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ingest.errors import BadManifest
from ingest.manifests import read_manifest
from ingest.manifests.lines import MOST_LINE
from tests.shared import shared

HEX = sha256(b"x").hexdigest()
names = st.binary(min_size=1, max_size=40).filter(lambda name: b"\0" not in name)
texts = st.text(min_size=1, max_size=40).filter(lambda text: "\0" not in text and valid(text))


def valid(text):
    return bool(text.strip()) and not any("\ud800" <= sign <= "\udfff" for sign in text)


def rows(tmp_path, content, name="list"):
    file = tmp_path / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(read_manifest(file))


def refused(tmp_path, content, *words, name="list"):
    """The list is refused in one line, with these words in it."""
    with pytest.raises(BadManifest) as caught:
        rows(tmp_path, content, name)
    said = str(caught.value)
    assert "\n" not in said
    for word in words:
        assert word in said, said
    return said


def problem(tmp_path, content):
    """What is wrong with a list, empty if nothing is; anything but a typed error fails."""
    try:
        rows(tmp_path, content)
    except BadManifest as error:
        return str(error)
    return ""


# -- tables

TABLE = """path,collector,time,place,method,authority,source,conditions,sha256,md5,size,family
photos/1.jpg,A. Field,2026-01-02T03:04:05+02:00,Mosul,download,RFA 7,a neighbour,no press,{rest}
"""


def test_a_table_gives_each_file_all_that_can_be_declared(tmp_path):
    content = TABLE.format(rest=f"{HEX},{md5(b'x').hexdigest().upper()},1,social")
    [row] = rows(tmp_path, content)
    assert row.path == b"photos/1.jpg"
    assert row.where == "list, line 2"
    assert row.digests == {
        "sha256": f"sha256:{HEX}", "md5": f"md5:{md5(b'x').hexdigest()}",
    }  # fmt: skip
    assert row.size == 1
    assert row.claims == {
        "collected_by": "A. Field", "collected_at": "2026-01-02T03:04:05+02:00", "place": "Mosul",
        "method": "download", "authority": "RFA 7", "source": "a neighbour",
        "conditions": "no press", "family": "social",
    }  # fmt: skip


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_tables_are_read_as_spreadsheets_of_any_country_write_them(tmp_path, separator, end, mark):
    cells = [["File", "Place", "SHA-256"], ["a b.jpg", f'Lyon{separator} "rue"', HEX.upper()]]
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=separator, lineterminator=end).writerows(cells)
    [row] = rows(tmp_path, mark + out.getvalue().encode())
    assert (row.path, row.claims["place"]) == (b"a b.jpg", f'Lyon{separator} "rue"')
    assert row.digests == {"sha256": f"sha256:{HEX}"}


@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=5), st.sampled_from(",;\t"))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@example([("=cmd|' /C calc'!A0", "@SUM(1+9)*cmd|' /C calc'!A0")], ";")
@example([('a"b\nc.jpg', "two\nlines")], ",")
def test_awkward_names_and_texts_survive_a_table(tmp_path, pairs, separator):
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=separator, lineterminator="\r\n", quoting=csv.QUOTE_ALL)
    writer.writerow(["path", "place"])
    writer.writerows(pairs)
    found = rows(tmp_path, out.getvalue())
    assert [(row.path.decode(), row.claims["place"]) for row in found] == [
        (path, place.strip()) for path, place in pairs
    ]


def test_formulas_are_text_and_stay_as_they_are(tmp_path):
    for file in ("csv-payload.txt", "readme-payload.txt"):
        payloads = shared("hostile", "csv", file).read_text().splitlines()
        out = io.StringIO(newline="")
        csv.writer(out).writerows([["path", "place"], *[[one, one] for one in payloads]])
        found = rows(tmp_path, out.getvalue())
        assert [row.claims["place"] for row in found] == payloads
        assert [row.path.decode() for row in found] == payloads
        refused(tmp_path, "\n".join(payloads), "cannot be told")


def test_columns_that_say_nothing_about_intake_are_named(tmp_path):
    file = tmp_path / "list.csv"
    file.write_text("path,camera,place,,notes\na,Canon,Mosul,,n\n")
    listed = read_manifest(file)
    assert [row.claims for row in listed] == [{"place": "Mosul"}]
    assert listed.unused == ["camera", "notes"]
    assert listed.sha256 == f"sha256:{sha256(file.read_bytes()).hexdigest()}"


# -- JSON lines


@given(st.lists(st.tuples(names, texts), min_size=1, max_size=5))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_awkward_names_and_texts_survive_json_lines(tmp_path, pairs):
    from repository.naming import recorded_name

    lines = [json.dumps({"path": recorded_name(path), "place": text}) for path, text in pairs]
    found = rows(tmp_path, "\n".join(lines))
    assert [(row.path, row.claims["place"]) for row in found] == [
        (path, text.strip()) for path, text in pairs
    ]


def test_json_lines_may_be_written_as_a_submission_s_list(tmp_path):
    line = {
        "n": 1, "path": "a", "size": 3, "digests": {"sha256": HEX, "md5": f"md5:{'0' * 32}"},
        "claims": {"place": "Mosul", "source": None}, "thing": 1, "part": 2,
    }  # fmt: skip
    [row] = rows(tmp_path, json.dumps(line))
    assert (row.size, row.thing, row.part, row.claims) == (3, "1", 2, {"place": "Mosul"})
    assert row.digests == {"sha256": f"sha256:{HEX}", "md5": f"md5:{'0' * 32}"}


# -- checksums


def printed(path, digest):
    """A line as GNU coreutils prints it."""
    escaped = path.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
    return (b"\\" if escaped != path else b"") + digest.encode() + b"  " + escaped + b"\n"


@given(st.lists(names, min_size=1, max_size=6))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80)
@example([b"a\\b", b"a\nb", b"\\", b" ", b"*", b"a\r", b"\xff", b"\xef\xbb\xbf"])
def test_any_name_survives_a_checksum_list(tmp_path, paths):
    found = rows(tmp_path, b"".join(printed(path, HEX) for path in paths))
    assert [row.path for row in found] == paths


def test_what_the_tools_of_coreutils_print_is_read(tmp_path):
    made = [
        b"plain",
        b"with space ",
        b"back\\slash",
        b"new\nline",
        b"c\rr",
        b"\xff\xfe",
        "é".encode(),
    ]
    for name in made:
        (tmp_path / os.fsdecode(name)).write_bytes(b"x")
    for tool, algorithm in (
        ("sha256sum", sha256),
        ("md5sum", md5),
        ("sha1sum", sha1),
        ("sha512sum", sha512),
        ("sha224sum", sha224),
        ("sha384sum", sha384),
    ):
        for options in ([], ["--binary"], ["--tag"]):
            out = subprocess.run(
                [tool, *options, *[os.fsdecode(name) for name in made]],
                cwd=tmp_path, capture_output=True, check=True,
            ).stdout  # fmt: skip
            found = rows(tmp_path, out, name="list of sums")
            assert [row.path for row in found] == made
            kind = algorithm().name
            assert {row.digests[kind] for row in found} == {f"{kind}:{algorithm(b'x').hexdigest()}"}
            (tmp_path / "list of sums").unlink()


def test_comments_and_lists_from_windows_are_read(tmp_path):
    found = rows(tmp_path, f"; made by X\r\n\r\n{HEX} *a b.jpg\r\n{HEX} *c.jpg\r\n")
    assert [row.path for row in found] == [b"a b.jpg", b"c.jpg"]


# -- hashdeep


def test_the_header_of_hashdeep_names_the_columns(tmp_path):
    content = (
        "%%%% HASHDEEP-1.0\n%%%% size,md5,sha256,filename\n## Invoked from: /evidence\n"
        f"## $ hashdeep -r .\n##\n1,{md5(b'x').hexdigest()},{HEX},/evidence/a, b.jpg\n"
    )
    [row] = rows(tmp_path, content)
    assert (row.path, row.size) == (b"/evidence/a, b.jpg", 1)
    assert set(row.digests) == {"md5", "sha256"}


@given(st.lists(names.filter(lambda name: not set(name) & set(b"\n\r")), min_size=1, max_size=6))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_any_name_without_a_line_end_survives_hashdeep(tmp_path, paths):
    head = b"%%%% HASHDEEP-1.0\n%%%% size,sha256,filename\n"
    found = rows(tmp_path, head + b"".join(b"1,%s,%s\n" % (HEX.encode(), p) for p in paths))
    assert [row.path for row in found] == paths


# -- what is refused, in every format


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ["cannot be told"]),
        (b"\n\n", ["cannot be told"]),
        (b"path,place\n", ["lists no file"]),
        (b"just a sentence\n", ["cannot be told", "sha256sum"]),
        (b"\xff\xfep\0a\0t\0h\0", ["UTF-16", "save it as UTF-8"]),
        (b"path,place\na,caf\xe9\n", ["line 2", "not UTF-8"]),
        (b"path;qualit\xe9\na;b\n", ["line 1", "not UTF-8"]),
        (b"path,place\na,b,c\n", ["line 2", "3 cells where the header has 2"]),
        (b"path,place\na\n", ["line 2", "1 cells"]),
        (b'path,place\n"a,b\n', ["line 2"]),
        (b'path,place\na,"b"c\n', ["line 2"]),
        (b"path,place\n,b\n", ["line 2", "names no file"]),
        (b"path,path\na,b\n", ["line 1", "twice"]),
        (b"path,place,Place\na,b,c\n", ["line 1", "mean the same"]),
        (b"path,time,date\na,,\n", ["line 1", "mean the same"]),
        (b"path,sha3\na,b\n", ["line 1", "does not make"]),
        (b"path,sha3-256\na,b\n", ["line 1", "does not make"]),
        (b"path,sha-224\na,b\n", ["line 2", "56 hex digits"]),
        (b"path,sha256\na,abc\n", ["line 2", "64 hex digits"]),
        (b"path,digest\na,crc32:abc\n", ["line 2", "ALG"]),
        (b"path,time\na,20/11/2026\n", ["line 2", "2026-11-20T14:05:00+01:00"]),
        (b"path,time\na,yesterday\n", ["line 2", "time"]),
        (b"path,size\na,12 kB\n", ["line 2", "size is a number"]),
        (b"path,size\na,-1\n", ["line 2", "size is a number"]),
        (b"path,family\na,video\n", ["line 2", "family"]),
        (b"path,part\na,1\n", ["line 2", "of which thing"]),
        (b"path,thing,part\na,d,0x1\n", ["line 2", "part is a number"]),
        (b"path,place\na," + b"b" * 2001 + b"\n", ["line 2", "2000"]),
        (b'path,place\na,"' + b"b\n" * MOST_LINE + b'"\n', ["longer than", "quote"]),
        (b"path\n" + b"a" * (MOST_LINE + 1) + b"\n", ["line 2", "longer than"]),
        (b'{"path": "a"', ["line 1", "not JSON"]),
        (b'{"path": "a"}\n[]\n', ["line 2", "not one JSON object"]),
        (b'{"path": "a", "path": "b"}', ["line 1"]),
        (b'{"place": "a"}', ["line 1", "no path"]),
        (b'{"path": 7}', ["line 1", "path is text"]),
        (b'{"path": {"base64": "?"}}', ["line 1", "path is text"]),
        (b'{"path": "\\ud800"}', ["line 1"]),
        (b'{"path": "a", "place": "\\ud800"}', ["line 1"]),
        (b'{"path": "a", "place": []}', ["line 1", "text or a number"]),
        (b'{"path": "a", "place": true}', ["line 1", "text or a number"]),
        (b'{"path": "a", "size": 1.5}', ["line 1"]),
        (b'{"path": "a\\u0000"}', ["line 1", "names no file"]),
        (b'{"path": "a", "place": "x", "claims": {"place": "y"}}', ["line 1", "twice"]),
        (b'{"path": "a", "digests": {"sha256": "x"}}', ["line 1", "64 hex"]),
        (b'{"path": ' + b"[" * 5000 + b"]" * 5000 + b"}", ["line 1"]),
        (b"{}" + b" " * MOST_LINE + b"\n", ["line 1", "longer"]),
        (b"%s  a\n0000  b\n" % HEX.encode(), ["line 2", "no digest and name"]),
        (b"%s  a\n%s  b\n" % (HEX.encode(), HEX[:48].encode()), ["line 2", "48 hex digits"]),
        (b"SHA512/224 (a) = %s\n" % HEX[:56].encode(), ["line 1", "sha512/224"]),
        (b"BLAKE2b (a) = %s\n" % (HEX * 2).encode(), ["line 1", "blake2b"]),
        (b"MD5 (a) = %s\n" % HEX.encode(), ["line 1", "md5"]),
        (b"\\%s  a\\tb\n" % HEX.encode(), ["line 1", "escape"]),
        (b"\\%s  a\\\n" % HEX.encode(), ["line 1", "escape"]),
        (b"%s  a\r\n%s  b\n" % (HEX.encode(), HEX.encode()), ["line 2", "CR LF"]),
        (b"%s  a\0b\n" % HEX.encode(), ["line 1", "zero byte"]),
        (b"%s  a\0%s  b\0" % (HEX.encode(), HEX.encode()), ["line 1", "zero byte"]),
        (b"%%%% HASHDEEP-1.0\n1,2,a\n", ["line 2", "header"]),
        (b"%%%% HASHDEEP-1.0\n%%%% size,tiger,filename\n", ["line 2", "tiger"]),
        (b"%%%% HASHDEEP-1.0\n%%%% filename,md5\n", ["line 2", "ends with filename"]),
        (b"%%%% HASHDEEP-1.0\n%%%% size,md5,filename\n1,a\n", ["line 3", "2 columns"]),
        (b"%%%% HASHDEEP-1.0\n%%%% size,md5,filename\n1,0,a\n", ["line 3", "32 hex"]),
        (b"%%%% HASHDEEP-1.0\n%%%% size,md5,filename\n", ["lists no file"]),
    ],
)
def test_a_list_that_cannot_be_read_is_one_error_that_names_the_line(tmp_path, content, words):
    refused(tmp_path, content, *words)


def test_a_list_that_is_not_there(tmp_path):
    with pytest.raises(BadManifest, match="cannot be read"):
        read_manifest(tmp_path / "nowhere.csv")


@given(st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@example(b"path\x0bx\na\n")
def test_any_bytes_are_rows_or_one_error(tmp_path, content):
    assert "\n" not in problem(tmp_path, content)


@given(
    st.sampled_from(
        [b"path;place\n", b'{"path": "a"}\n', b"%%%% HASHDEEP-1.0\n%%%% size,filename\n"]
    ),
    st.binary(max_size=300),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
def test_any_bytes_after_a_good_first_line_are_rows_or_one_error(tmp_path, first, content):
    assert "\n" not in problem(tmp_path, first + content)


def test_a_long_list_takes_no_more_memory_than_a_short_one(tmp_path):
    file = tmp_path / "list"
    file.write_bytes(b"".join(b"%s  photos/%d.jpg\n" % (HEX.encode(), n) for n in range(30_000)))
    tracemalloc.start()
    try:
        assert sum(1 for _ in read_manifest(file)) == 30_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20


# -- bags


def bag(version, kind, name):
    return shared("hostile", "bagit", f"v{version}", kind, name)


@pytest.mark.parametrize(
    ("version", "kind", "name"),
    [
        ("0.93", "valid", "basic-bag"),
        ("0.96", "valid", "bag-in-a-bag"),
        ("0.96", "valid", "holey-bag"),
        ("0.97", "valid", "ISO-8859-1-encoded-tag-files"),
        ("0.97", "valid", "UTF-16-encoded-tag-files"),
        ("0.97", "valid", "bag-with-encoded-names"),
        ("0.97", "valid", "bag-with-space"),
        ("0.97", "valid", "minimal-bag"),
        ("0.97", "valid", "uncommon-metadata-separators"),
        ("0.97", "warning", "made-with-md5sum-tools"),
    ],
)
def test_a_sound_bag_lists_its_files(version, kind, name):
    folder = bag(version, kind, name)
    listed = [row for row in read_manifest(folder) if row.path.startswith(b"data/")]
    there = {
        str(file.relative_to(folder)).encode()
        for file in (folder / "data").rglob("*") if file.is_file()
    }  # fmt: skip
    assert {row.path for row in listed} == there
    assert all(row.digests for row in listed)


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        ("invalid", "bom-in-bagit.txt", ["bagit.txt"]),
        ("invalid", "extra-file-in-bag", ["no manifest of the bag names", "bar"]),
        ("invalid", "missing-bagit.txt", ["no bagit.txt"]),
        ("invalid", "out-of-scope-file-paths-using-dot-notation", ["line 3", "out of the bag"]),
        ("linux-only", "out-of-scope-file-paths-using-absolute-path", ["line 3", "out of the bag"]),
        ("linux-only", "out-of-scope-file-paths-using-shortcut-username-for-fetch", ["fetch.txt"]),
        ("windows-only", "out-of-scope-file-paths-using-absolute-path-for-fetch", ["fetch.txt"]),
        ("windows-only", "out-of-scope-file-paths-using-unc", ["line 3", "out of the bag"]),
        ("warning", "duplicate-file-with-different-case", ["case alone"]),
    ],
)
def test_a_bag_that_breaks_its_rules_is_refused(kind, name, words):
    with pytest.raises(BadManifest) as caught:
        list(read_manifest(bag("0.97", kind, name)))
    for word in words:
        assert word in str(caught.value)


BAGIT = "BagIt-Version: 1.0\nTag-File-Character-Encoding: "
GOOD = b"%s  data/a\n" % HEX.encode()


def small_bag(tmp_path, *, manifest, version="1.0", **files):
    folder = tmp_path / "bag"
    (folder / "data").mkdir(parents=True)
    (folder / "bagit.txt").write_text(
        f"BagIt-Version: {version}\nTag-File-Character-Encoding: UTF-8\n"
    )
    (folder / "manifest-sha256.txt").write_bytes(manifest)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(content)
    return folder


def test_names_of_a_bag_are_decoded_as_its_version_says(tmp_path):
    line = f"{HEX}  data/a%0Ab%25c%41\n".encode()
    folder = small_bag(tmp_path, manifest=line)
    (folder / "data" / "a\nb%c%41").write_text("x")
    [row] = read_manifest(folder)
    assert row.path == b"data/a\nb%c%41"
    assert [row.path for row in read_manifest(folder / "manifest-sha256.txt")] == [row.path]
    older = small_bag(tmp_path / "older", manifest=line, version="0.97")
    (older / "data" / "a\nb%25c%41").write_text("x")
    assert [row.path for row in read_manifest(older)] == [b"data/a\nb%25c%41"]


def test_the_source_organization_of_a_bag_is_declared_as_the_source(tmp_path):
    info = "Source-Organization: Archive of\n  Mosul\nContact-Name: A. Field\nBag-Size: 1 GB\n"
    folder = small_bag(tmp_path, manifest=f"{HEX}  data/a\n".encode(), **{"bag-info__txt": info})
    (folder / "data" / "a").write_text("x")
    assert [row.claims for row in read_manifest(folder)] == [{"source": "Archive of Mosul"}]
    assert [row.claims for row in read_manifest(folder / "manifest-sha256.txt")] == [{}]


@pytest.mark.parametrize(
    ("manifest", "files", "words"),
    [
        (b"", {}, ["no manifest of the bag names"]),
        (b"%s data/\xff\n" % HEX.encode(), {}, ["line 1", "UTF-8"]),
        (b"%s  other/a\n" % HEX.encode(), {}, ["no place"]),
        (b"abc  data/a\n", {}, ["line 1", "64 hex"]),
        (b"no digest\n", {}, ["line 1"]),
        (b"%s  data/a/../../../x\n" % HEX.encode(), {}, ["out of the bag"]),
        (b"%s  data/%s\n" % (HEX.encode(), b"a" * MOST_LINE), {}, ["longer"]),
        (b"%s  data/a\0b\n" % HEX.encode(), {}, ["zero byte"]),
        (GOOD, {"manifest-sha3__txt": "x"}, ["sha3"]),
        (GOOD, {"tagmanifest-md5__txt": f"{'0' * 32} /etc/passwd\n"}, ["out"]),
        (GOOD, {"tagmanifest-md5__txt": f"{'0' * 32} C:\\x\n"}, ["out"]),
        (GOOD, {"bagit__txt": "BagIt-Version: 1.0\n"}, ["two lines"]),
        (GOOD, {"bagit__txt": f"{BAGIT}rot13\n"}, ["encoding rot13"]),
    ],
)  # fmt: skip
def test_a_bag_that_cannot_be_read_is_one_error(tmp_path, manifest, files, words):
    folder = small_bag(tmp_path, manifest=manifest, **files)
    (folder / "data" / "a").write_text("x")
    with pytest.raises(BadManifest) as caught:
        list(read_manifest(folder))
    for word in words:
        assert word in str(caught.value)
