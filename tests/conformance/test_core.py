"""The core protocol: HEAD, PATCH, OPTIONS and their headers."""

import json
import os

import pytest

from tests.wire import OCTETS, UPLOADS, ask, connect, head_of, read_answer

DATA = os.urandom(100_000)


class TestHead:
    def test_the_answer_always_has_the_offset_even_if_it_is_0_or_the_upload_is_complete(self, tus):
        place = tus.create(3)
        assert tus.head(place).offset == 0
        assert tus.patch(place, 0, b"abc").status == 204
        answer = tus.head(place)
        assert (answer.status, answer.offset) == (200, 3)

    def test_the_answer_has_the_length_where_it_is_known(self, tus):
        assert tus.head(tus.create(7)).headers["upload-length"] == "7"

    @pytest.mark.parametrize("name", ["nothing", "018f0000-0000-7000-8000-000000000000", "%00"])
    def test_an_upload_that_is_not_there_is_404_without_an_offset(self, tus, name):
        answer = tus.head(f"{UPLOADS}/{name}")
        assert answer.status == 404
        assert "upload-offset" not in answer.headers

    def test_the_answer_may_not_be_cached(self, tus):
        assert tus.head(tus.create(1)).headers["cache-control"] == "no-store"

    def test_the_answer_has_no_body(self, tus):
        place = tus.create(1)
        with connect(tus.place) as line:
            told = tus.headers(("Connection", "close"))
            line.sendall(head_of("HEAD", place, told))
            assert read_answer(line, method="HEAD").status == 200
            assert line.recv(100) == b""


class TestPatch:
    def test_bytes_are_applied_at_the_offset_and_the_answer_is_204_with_the_new_one(
        self, tus, desk
    ):
        place = tus.create(len(DATA))
        first = tus.patch(place, 0, DATA[:40_000])
        assert (first.status, first.offset, first.body) == (204, 40_000, b"")
        last = tus.patch(place, 40_000, DATA[40_000:])
        assert (last.status, last.offset) == (204, len(DATA))
        assert desk.content(last.headers["evidence-exhibit"]) == DATA

    @pytest.mark.parametrize(
        "kind", ["application/octet-stream", "text/plain", "", "multipart/form-data; boundary=x"]
    )
    def test_another_content_type_is_415_and_changes_nothing(self, tus, kind):
        place = tus.create(3)
        told = tus.headers(("Upload-Offset", "0"))
        told += [("Content-Type", kind)] if kind else []
        assert ask(tus.place, "PATCH", place, told, b"abc").status == 415
        assert tus.head(place).offset == 0

    @pytest.mark.parametrize("offset", [1, 3, 4, 10**17])
    def test_another_offset_than_the_current_is_409_and_changes_nothing(self, tus, offset):
        place = tus.create(10)
        assert tus.patch(place, 0, b"ab").offset == 2
        answer = tus.patch(place, offset, b"cdef")
        assert (answer.status, answer.offset) == (409, 2)
        assert json.loads(answer.body)["type"].endswith("offset-conflict")
        assert tus.head(place).offset == 2

    @pytest.mark.parametrize(
        "offset", ["-1", "", "x", "0x0", "1e3", "0.0", "+0", "9" * 19, "9" * 5000, "٠"]
    )
    def test_an_offset_that_is_no_number_is_400(self, tus, offset):
        place = tus.create(3)
        told = tus.headers(("Content-Type", OCTETS))
        raw = head_of("PATCH", place, [*told, ("Content-Length", "3")])[:-2]
        with connect(tus.place) as line:
            line.sendall(raw + b"Upload-Offset: " + offset.encode() + b"\r\n\r\nabc")
            assert read_answer(line).status == 400
        assert tus.head(place).offset == 0

    def test_no_offset_is_400(self, tus):
        place = tus.create(3)
        told = tus.headers(("Content-Type", OCTETS))
        assert ask(tus.place, "PATCH", place, told, b"abc").status == 400

    def test_bytes_for_an_upload_that_is_not_there_are_404(self, tus):
        answer = tus.patch(f"{UPLOADS}/nothing", 0, b"abc")
        assert answer.status == 404
        assert "upload-offset" not in answer.headers

    def test_no_bytes_at_the_offset_are_204(self, tus):
        place = tus.create(3)
        answer = tus.patch(place, 0, b"")
        assert (answer.status, answer.offset) == (204, 0)

    def test_more_bytes_than_are_left_are_413_and_none_of_them_counts(self, tus):
        place = tus.create(5)
        assert tus.patch(place, 0, b"abcdef").status == 413
        assert tus.head(place).offset == 0
        assert tus.patch(place, 0, b"abcde").status == 204

    def test_bytes_after_the_last_are_refused_and_the_upload_stays_complete(self, tus):
        place = tus.create(3)
        exhibit = tus.patch(place, 0, b"abc").headers["evidence-exhibit"]
        assert tus.patch(place, 3, b"d").status in (409, 410, 413)
        assert tus.patch(place, 0, b"abc").status in (409, 410)
        assert tus.head(place).headers["evidence-exhibit"] == exhibit

    def test_a_chunked_body_is_taken_as_well(self, tus, desk):
        place = tus.create(len(DATA))
        told = tus.headers(
            ("Content-Type", OCTETS), ("Upload-Offset", "0"), ("Transfer-Encoding", "chunked")
        )
        with connect(tus.place) as line:
            line.sendall(head_of("PATCH", place, told))
            for start in range(0, len(DATA), 30_000):
                block = DATA[start : start + 30_000]
                line.sendall(b"%x\r\n" % len(block) + block + b"\r\n")
            line.sendall(b"0\r\n\r\n")
            answer = read_answer(line)
        assert answer.status == 204
        assert desk.content(answer.headers["evidence-exhibit"]) == DATA

    def test_expect_100_continue_is_answered_before_the_bytes(self, tus):
        place = tus.create(3)
        with connect(tus.place) as line:
            told = tus.headers(
                ("Content-Type", OCTETS), ("Upload-Offset", "0"), ("Content-Length", "3"),
                ("Expect", "100-continue"),
            )  # fmt: skip
            line.sendall(head_of("PATCH", place, told))
            assert line.recv(100).startswith(b"HTTP/1.1 100")
            line.sendall(b"abc")
            assert read_answer(line).status == 204

    def test_several_requests_go_over_one_connection(self, tus):
        place = tus.create(4)
        with connect(tus.place) as line:
            for offset, data in ((0, b"ab"), (2, b"cd")):
                told = tus.headers(
                    ("Content-Type", OCTETS), ("Upload-Offset", str(offset)),
                    ("Content-Length", "2"),
                )  # fmt: skip
                line.sendall(head_of("PATCH", place, told) + data)
                assert read_answer(line).status == 204
            line.sendall(head_of("HEAD", place, tus.headers()))
            assert read_answer(line, method="HEAD").offset == 4


class TestOptions:
    @pytest.mark.parametrize("path", [UPLOADS, f"{UPLOADS}/anything"])
    def test_the_answer_tells_versions_extensions_and_limits(self, tus, path):
        answer = ask(tus.place, "OPTIONS", path)
        assert answer.status in (200, 204)
        assert answer.headers["tus-version"] == "1.0.0"
        assert set(answer.headers["tus-extension"].split(",")) == {
            "creation", "creation-with-upload", "creation-defer-length", "expiration",
            "termination", "checksum", "concatenation",
        }  # fmt: skip
        assert answer.headers["tus-checksum-algorithm"].split(",") == ["sha1", "sha256", "sha512"]
        assert int(answer.headers["tus-max-size"]) > 1 << 40

    def test_the_version_of_the_request_is_ignored(self, tus):
        answer = ask(tus.place, "OPTIONS", UPLOADS, [("Tus-Resumable", "9.9.9")])
        assert answer.status in (200, 204)


class TestTusResumable:
    @pytest.mark.parametrize("method", ["HEAD", "PATCH", "POST", "DELETE"])
    @pytest.mark.parametrize("version", ["0.2.2", "1.0.1", "2.0.0", "", None])
    def test_another_version_is_412_with_the_versions_spoken_and_is_not_processed(
        self, tus, method, version
    ):
        place = UPLOADS if method == "POST" else tus.create(3)
        told = [("Authorization", f"Bearer {tus.token}"), ("Content-Type", OCTETS)]
        told += [("Upload-Offset", "0"), ("Upload-Length", "3")]
        told += [] if version is None else [("Tus-Resumable", version)]
        answer = ask(tus.place, method, place, told, b"abc")
        assert (answer.status, answer.headers["tus-version"]) == (412, "1.0.0")
        if method != "POST":
            assert tus.head(place).offset == 0

    def test_every_answer_names_the_version(self, tus):
        place = tus.create(3)
        for answer in (
            tus.head(place), tus.patch(place, 1, b"x"), tus.patch(place, 0, b"abc"),
            tus.post(), tus.head(f"{UPLOADS}/nothing"), tus.ask("DELETE", place),
        ):  # fmt: skip
            assert answer.headers["tus-resumable"] == "1.0.0"


class TestMethodOverride:
    def test_the_header_is_taken_for_the_method(self, tus):
        place = tus.create(3)
        told = (("Content-Type", OCTETS), ("Upload-Offset", "0"))
        answer = tus.ask("POST", place, *told, ("X-HTTP-Method-Override", "PATCH"), body=b"ab")
        assert (answer.status, answer.offset) == (204, 2)
        assert tus.ask("POST", place, ("X-HTTP-Method-Override", "HEAD")).offset == 2
        assert tus.ask("POST", place, ("X-HTTP-Method-Override", "DELETE")).status == 204
        assert tus.head(place).status == 410

    def test_a_method_that_is_none_is_405(self, tus):
        place = tus.create(3)
        assert tus.ask("POST", place).status == 405
        assert tus.ask("POST", place, ("X-HTTP-Method-Override", "BREW")).status == 405


class TestWhoAsks:
    def test_without_a_token_nothing_is_told(self, tus):
        place = tus.create(3)
        for method in ("HEAD", "PATCH", "DELETE", "GET"):
            answer = ask(tus.place, method, place, [("Tus-Resumable", "1.0.0")])
            assert answer.status == 401
            assert "upload-offset" not in answer.headers

    @pytest.mark.parametrize("name", ["stranger", "analyst", "prosecutor"])
    def test_anothers_upload_is_like_one_that_is_not_there(self, tus, desk, name):
        place = tus.create(3)
        other = desk.another(name)
        for method in ("HEAD", "PATCH", "DELETE", "GET"):
            told = [("Content-Type", OCTETS), ("Upload-Offset", "0")] if method == "PATCH" else []
            mine = other.ask(method, place, *told, body=b"abc" if told else None)
            none = other.ask(method, f"{UPLOADS}/none", *told, body=b"abc" if told else None)
            assert (mine.status, none.status) == (404, 404)
            assert mine.body == none.body
        assert tus.head(place).offset == 0
