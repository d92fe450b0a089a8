"""The extensions creation, creation-with-upload and creation-defer-length."""

import json
import os
from uuid import uuid4

import pytest

from tests.wire import OCTETS, UPLOADS, ask, base64_of, connect, head_of, metadata, read_answer

DATA = os.urandom(100_000)


class TestCreation:
    def test_a_new_upload_is_201_with_its_place_and_is_there(self, tus):
        made = tus.post(("Upload-Length", "10"))
        assert made.status == 201
        assert tus.head(made.location).offset == 0

    def test_neither_length_nor_its_deferral_is_400(self, tus):
        assert tus.post().status == 400

    def test_both_length_and_its_deferral_are_400(self, tus):
        assert tus.post(("Upload-Length", "3"), ("Upload-Defer-Length", "1")).status == 400

    @pytest.mark.parametrize(
        "length", ["-1", "x", "", "1.0", "1e3", "0x10", "9" * 19, "9" * 5000, "+3", "3 3"]
    )
    def test_a_length_that_is_no_number_is_400(self, tus, length):
        assert tus.post(("Upload-Length", length)).status == 400

    def test_a_length_above_the_limit_is_413(self, tus):
        most = int(ask(tus.place, "OPTIONS", UPLOADS).headers["tus-max-size"])
        assert tus.post(("Upload-Length", str(most + 1))).status == 413
        place = tus.create(most)
        assert tus.ask("DELETE", place).status == 204

    def test_an_upload_of_no_bytes_is_complete_at_once(self, tus, desk):
        made = tus.post(("Upload-Length", "0"))
        assert (made.status, made.offset) == (201, 0)
        assert desk.content(made.headers["evidence-exhibit"]) == b""
        head = tus.head(made.location)
        assert (head.offset, head.headers["upload-length"]) == (0, "0")

    def test_twice_the_same_request_makes_two_uploads(self, tus):
        assert tus.create(3) != tus.create(3)


class TestMetadata:
    def test_head_repeats_what_the_client_said(self, tus):
        said = metadata(case=b"KRN", filename="نام.jpg".encode(), note=b"", remark=b"\0\xff")
        made = tus.ask("POST", UPLOADS, ("Upload-Length", "3"), ("Upload-Metadata", said))
        assert made.status == 201
        assert tus.head(made.location).headers["upload-metadata"] == said

    @pytest.mark.parametrize(
        "name",
        [b"\0", "\u202egpj.exe".encode(), "صورة.jpg".encode(), b"\xff\xfe", b"n" * 10_000,
         b"../../etc/passwd", b"a\r\nSet-Cookie: x=1", "👩🏽‍⚖️".encode()],
    )  # fmt: skip
    def test_any_value_is_a_name(self, tus, desk, name):
        place = tus.create(3, filename=name)
        number = tus.patch(place, 0, b"abc").headers["evidence-exhibit"]
        [found] = (
            desk.house.repo.database.engine.connect()
            .exec_driver_sql(f"SELECT path FROM exhibit WHERE number = '{number}'")
            .fetchall()
        )
        assert bytes(found[0]) == name

    @pytest.mark.parametrize("said", ["filename ", "filename"])
    def test_a_value_may_be_empty_and_its_space_left_out(self, tus, said):
        told = f"case {base64_of(b'KRN')},{said}"
        made = tus.ask("POST", UPLOADS, ("Upload-Length", "3"), ("Upload-Metadata", told))
        assert made.status == 201

    @pytest.mark.parametrize(
        "said",
        ["case !!!", "case S1JO,case S1JO", "case S1JO,filename a b", ",", "case S1JO,,",
         "case S1J", "cäse S1JO", " ", "case\tS1JO", "case S1JO," + "x" * 70_000],
    )  # fmt: skip
    def test_what_is_malformed_or_given_twice_is_400(self, tus, said):
        told = tus.headers(("Upload-Length", "3"), ("Upload-Metadata", said))
        answer = ask(tus.place, "POST", UPLOADS, told)
        assert answer.status in (400, 431)  # the server's own limit on a header line is lower

    def test_an_upload_for_no_case_is_refused(self, tus):
        assert tus.ask("POST", UPLOADS, ("Upload-Length", "3")).status == 400
        assert tus.post(("Upload-Length", "3"), case=b"NONE").status == 404


class TestCreationWithUpload:
    def test_the_answer_has_the_offset_after_the_first_bytes(self, tus, desk):
        made = tus.post(("Upload-Length", str(len(DATA))), body=DATA[:5000])
        assert (made.status, made.offset) == (201, 5000)
        last = tus.patch(made.location, 5000, DATA[5000:])
        assert desk.content(last.headers["evidence-exhibit"]) == DATA

    def test_all_bytes_at_once_are_an_exhibit(self, tus, desk):
        made = tus.post(("Upload-Length", str(len(DATA))), body=DATA)
        assert (made.status, made.offset) == (201, len(DATA))
        assert desk.content(made.headers["evidence-exhibit"]) == DATA

    def test_bytes_of_another_content_type_are_refused(self, tus):
        told = (("Upload-Length", "3"), ("Upload-Metadata", metadata(case=b"KRN")))
        answer = tus.ask("POST", UPLOADS, *told, ("Content-Type", "text/plain"), body=b"abc")
        assert answer.status in (400, 415)

    def test_more_bytes_than_the_length_are_413(self, tus):
        assert tus.post(("Upload-Length", "3"), body=b"abcd").status == 413

    def test_a_line_lost_meanwhile_leaves_the_upload_and_its_bytes(self, tus, desk):
        told = tus.headers(
            ("Upload-Length", str(len(DATA))), ("Content-Type", OCTETS),
            ("Content-Length", str(len(DATA))), ("Upload-Metadata", metadata(case=b"KRN")),
        )  # fmt: skip
        with connect(tus.place) as line:
            line.sendall(head_of("POST", UPLOADS, told) + DATA[:50_000])
            line.shutdown(1)
            answer = read_answer(line)
        assert (answer.status, answer.offset) == (201, 50_000)
        last = tus.patch(answer.location, 50_000, DATA[50_000:])
        assert desk.content(last.headers["evidence-exhibit"]) == DATA


class TestDeferredLength:
    def test_it_is_told_as_long_as_it_is_not_known_and_set_once(self, tus, desk):
        made = tus.post(("Upload-Defer-Length", "1"))
        place = made.location
        head = tus.head(place)
        assert head.headers["upload-defer-length"] == "1"
        assert "upload-length" not in head.headers
        assert tus.patch(place, 0, DATA[:7]).offset == 7
        assert tus.patch(place, 7, DATA[7:9], ("Upload-Length", "20")).status == 204
        head = tus.head(place)
        assert head.headers["upload-length"] == "20"
        assert "upload-defer-length" not in head.headers
        assert tus.patch(place, 9, DATA[9:10], ("Upload-Length", "20")).status == 204
        for other in ("21", "19", "9"):
            assert tus.patch(place, 10, DATA[10:11], ("Upload-Length", other)).status == 400
        assert tus.head(place).offset == 10
        last = tus.patch(place, 10, DATA[10:20])
        assert desk.content(last.headers["evidence-exhibit"]) == DATA[:20]

    @pytest.mark.parametrize("value", ["0", "2", "true", "", "11"])
    def test_another_value_than_1_is_400(self, tus, value):
        assert tus.post(("Upload-Defer-Length", value)).status == 400

    def test_a_length_below_what_is_here_is_400(self, tus):
        place = tus.post(("Upload-Defer-Length", "1")).location
        tus.patch(place, 0, b"abcdef")
        assert tus.patch(place, 6, b"", ("Upload-Length", "5")).status == 400
        assert tus.head(place).offset == 6

    def test_a_body_longer_than_the_rest_is_413_and_the_length_can_be_told_again(self, tus):
        place = tus.post(("Upload-Defer-Length", "1")).location
        assert tus.patch(place, 0, b"abcdef", ("Upload-Length", "5")).status == 413
        assert tus.head(place).offset == 0

    def test_the_length_may_come_alone_and_completes_the_upload(self, tus, desk):
        made = tus.post(("Upload-Defer-Length", "1"), body=b"abc")
        last = tus.patch(made.location, 3, b"", ("Upload-Length", "3"))
        assert last.status == 204
        assert desk.content(last.headers["evidence-exhibit"]) == b"abc"


class TestIdsOfTheClientsOwn:
    """Beside the protocol: a client that drew the id finds its upload when the answer is lost."""

    OWN = b"0198c0de-0000-7000-8000-00000000abcd"

    def test_the_upload_is_there_under_it(self, tus):
        own = str(uuid4())
        said = ("Upload-Metadata", metadata(case=b"KRN", upload=own.encode()))
        made = tus.ask("POST", UPLOADS, ("Upload-Length", "3"), said)
        assert (made.status, made.location) == (201, f"{UPLOADS}/{own}")
        assert tus.head(made.location).offset == 0

    def test_one_that_is_taken_is_409_and_the_upload_stays_as_it_is(self, tus):
        said = ("Upload-Metadata", metadata(case=b"KRN", upload=self.OWN))
        place = tus.ask("POST", UPLOADS, ("Upload-Length", "3"), said).location
        tus.patch(place, 0, b"ab")
        again = tus.ask("POST", UPLOADS, ("Upload-Length", "3"), said)
        assert again.status == 409
        assert json.loads(again.body)["type"].endswith("upload-exists")
        assert tus.head(place).offset == 2

    @pytest.mark.parametrize(
        "own", [b"", b"1", b"../x", OWN.upper(), OWN + b"\n", b"\xff", OWN[:-1], b"0" * 5000]
    )
    def test_what_is_no_uuid_is_400(self, tus, own):
        said = ("Upload-Metadata", metadata(case=b"KRN", upload=own))
        assert tus.ask("POST", UPLOADS, ("Upload-Length", "3"), said).status == 400
