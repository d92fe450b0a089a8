"""The extensions checksum, expiration, termination and concatenation."""

import os
from datetime import timedelta
from email.utils import parsedate_to_datetime

import pytest

from ingest.uploads import expire
from repository.models import Upload
from tests.wire import OCTETS, UPLOADS, ask, checksum, repr_digest

DATA = os.urandom(100_000)


class TestChecksum:
    @pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512"])
    def test_bytes_with_their_checksum_are_taken(self, tus, desk, algorithm):
        place = tus.create(len(DATA))
        for start in (0, 50_000):
            block = DATA[start : start + 50_000]
            told = ("Upload-Checksum", checksum(block, algorithm))
            answer = tus.patch(place, start, block, told)
            assert answer.status == 204
        assert desk.content(answer.headers["evidence-exhibit"]) == DATA

    @pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512"])
    @pytest.mark.parametrize("count", [1, 50_000, len(DATA)])
    def test_another_checksum_is_460_and_the_bytes_are_discarded(self, tus, desk, algorithm, count):
        place = tus.create(len(DATA))
        told = ("Upload-Checksum", checksum(b"other", algorithm))
        assert tus.patch(place, 0, DATA[:count], told).status == 460
        assert tus.head(place).offset == 0
        last = tus.patch(place, 0, DATA, ("Upload-Checksum", checksum(DATA, algorithm)))
        assert desk.content(last.headers["evidence-exhibit"]) == DATA

    @pytest.mark.parametrize(
        "told", ["md5 1B2M2Y8AsgTpgAmY7PhCfg==", "crc32 AAAAAA==", "sha3 x", "", "sha1",
                 "sha1 !!!", "SHA1 x", "sha1:x"],
    )  # fmt: skip
    def test_an_algorithm_that_is_not_offered_or_no_digest_is_400(self, tus, told):
        place = tus.create(3)
        assert tus.patch(place, 0, b"abc", ("Upload-Checksum", told)).status in (400, 460)
        assert tus.head(place).offset == 0

    def test_a_checksum_of_the_first_bytes_at_creation(self, tus):
        right = tus.post(("Upload-Length", "6"), ("Upload-Checksum", checksum(b"abc")), body=b"abc")
        assert (right.status, right.offset) == (201, 3)
        wrong = tus.post(("Upload-Length", "6"), ("Upload-Checksum", checksum(b"abd")), body=b"abc")
        assert wrong.status == 460

    @pytest.mark.parametrize("cut", [1, 50_000])
    def test_a_checksummed_block_that_does_not_come_whole_does_not_count(self, tus, cut):
        place = tus.create(len(DATA))
        told = ("Upload-Checksum", checksum(DATA))
        with tus.begin_patch(place, 0, len(DATA), DATA[:cut], told):
            pass
        assert tus.head(place).offset == 0


class TestDigestOfTheWhole:
    def test_it_may_be_declared_at_creation_and_is_always_returned(self, tus):
        place = tus.create(len(DATA), ("Repr-Digest", repr_digest(DATA)))
        answer = tus.patch(place, 0, DATA)
        assert (answer.status, answer.headers["repr-digest"]) == (204, repr_digest(DATA))
        assert tus.head(place).headers["repr-digest"] == repr_digest(DATA)

    @pytest.mark.parametrize("when", ["creation", "last"])
    def test_another_one_is_422_and_the_bytes_are_kept_in_quarantine(self, tus, desk, when):
        told = ("Repr-Digest", repr_digest(b"other"))
        place = tus.create(3, *([told] if when == "creation" else []))
        answer = tus.patch(place, 0, b"abc", *([told] if when == "last" else []))
        assert answer.status == 422
        assert b"digest-mismatch" in answer.body
        assert b"QUA-" in answer.body
        assert desk.house.last("quarantine")["outcome"] == "done"

    def test_it_may_be_declared_in_a_call_of_its_own_and_again(self, tus, desk):
        place = tus.create(3, seal=b"later")
        first = tus.patch(place, 0, b"abc")
        assert first.status == 204
        assert "evidence-exhibit" not in first.headers
        for _ in range(2):
            told = tus.headers(("Repr-Digest", repr_digest(b"abc")))
            answer = ask(tus.place, "POST", f"{place}/seal", told)
            assert answer.status in (200, 201, 204)
            assert desk.content(answer.headers["evidence-exhibit"]) == b"abc"


class TestExpiration:
    def test_every_answer_says_until_when_the_upload_is_kept(self, tus):
        made = tus.post(("Upload-Length", "10"))
        first = parsedate_to_datetime(made.headers["upload-expires"])
        assert made.headers["upload-expires"].endswith("GMT")
        later = parsedate_to_datetime(tus.patch(made.location, 0, b"a").headers["upload-expires"])
        assert later >= first
        assert "upload-expires" in tus.head(made.location).headers

    def test_an_expired_upload_is_410_or_404_and_takes_nothing(self, tus, desk):
        place = tus.create(10)
        tus.patch(place, 0, b"abc")
        repo = desk.house.repo
        with repo.database.writing() as session:
            row = session.get_one(Upload, place.rpartition("/")[2])
            row.touched_at = repo.clock() - timedelta(days=repo.settings.upload_days, minutes=1)
        assert expire(repo) == 1
        assert tus.head(place).status in (404, 410)
        assert tus.patch(place, 3, b"d").status in (404, 410)


class TestTermination:
    def test_an_upload_that_is_given_up_is_204_and_then_404_or_410(self, tus):
        place = tus.create(10)
        tus.patch(place, 0, b"abc")
        assert tus.ask("DELETE", place).status == 204
        for answer in (tus.head(place), tus.patch(place, 3, b"d")):
            assert answer.status in (404, 410)

    def test_one_that_is_not_there_is_404(self, tus):
        assert tus.ask("DELETE", f"{UPLOADS}/nothing").status == 404

    def test_evidence_that_was_handed_in_is_not_taken_back(self, tus, desk):
        place = tus.create(3)
        number = tus.patch(place, 0, b"abc").headers["evidence-exhibit"]
        assert tus.ask("DELETE", place).status in (403, 409, 410)
        assert desk.content(number) == b"abc"

    def test_it_ends_a_request_that_is_under_way(self, tus):
        place = tus.create(1 << 20)
        with tus.begin_patch(place, 0, 1 << 20, b"x" * 1000):
            assert tus.ask("DELETE", place).status == 204
        assert tus.head(place).status in (404, 410)


class TestConcatenation:
    def partial(self, tus, data):
        made = tus.ask(
            "POST", UPLOADS, ("Upload-Concat", "partial"), ("Upload-Length", str(len(data))),
            ("Content-Type", OCTETS), body=data,
        )  # fmt: skip
        assert made.status == 201, made
        return made.location

    def test_partial_uploads_become_one_in_the_order_named(self, tus, desk):
        parts = [self.partial(tus, DATA[n : n + 40_000]) for n in (0, 40_000, 80_000)]
        final = tus.post(("Upload-Concat", "final;" + " ".join(parts)))
        assert final.status == 201
        assert desk.content(final.headers["evidence-exhibit"]) == DATA
        assert tus.head(final.location).headers["upload-length"] == str(len(DATA))
        swapped = [self.partial(tus, data) for data in (b"b", b"a")]
        final = tus.post(("Upload-Concat", "final;" + " ".join(reversed(swapped))))
        assert desk.content(final.headers["evidence-exhibit"]) == b"ab"

    def test_places_may_be_absolute(self, tus, desk):
        parts = [f"http://evidence.test{self.partial(tus, data)}" for data in (b"a", b"b")]
        final = tus.post(("Upload-Concat", "final;" + " ".join(parts)))
        assert desk.content(final.headers["evidence-exhibit"]) == b"ab"

    def test_head_says_what_an_upload_is(self, tus):
        part = self.partial(tus, b"abc")
        assert tus.head(part).headers["upload-concat"] == "partial"
        final = tus.post(("Upload-Concat", f"final;{part}")).location
        assert tus.head(final).headers["upload-concat"] == f"final;{part}"

    def test_bytes_for_a_final_upload_are_403(self, tus):
        final = tus.post(("Upload-Concat", f"final;{self.partial(tus, b'abc')}")).location
        assert tus.patch(final, 3, b"d").status == 403

    def test_a_final_upload_has_no_length_of_its_own(self, tus):
        told = ("Upload-Concat", f"final;{self.partial(tus, b'abc')}")
        assert tus.post(told, ("Upload-Length", "3")).status == 400

    @pytest.mark.parametrize(
        "told", ["final", "final;", "final; ", "partial;x", "joined", "final;/api/v1/uploads/none",
                 "final;;", "FINAL;x"],
    )  # fmt: skip
    def test_what_names_nothing_is_refused(self, tus, told):
        assert tus.post(("Upload-Concat", told)).status in (400, 404)

    def test_what_is_incomplete_or_not_partial_or_named_twice_is_400(self, tus):
        made = tus.ask("POST", UPLOADS, ("Upload-Concat", "partial"), ("Upload-Length", "5"))
        assert tus.post(("Upload-Concat", f"final;{made.location}")).status == 400
        assert tus.post(("Upload-Concat", f"final;{tus.create(3)}")).status == 400
        part = self.partial(tus, b"abc")
        assert tus.post(("Upload-Concat", f"final;{part} {part}")).status == 400
        assert tus.post(("Upload-Concat", f"final;{part}")).status == 201
        assert tus.post(("Upload-Concat", f"final;{part}")).status == 400  # it was used

    def test_anothers_part_is_404(self, tus, desk):
        from repository.people import grant, new_person

        house = desk.house
        person = new_person(house.repo, house.custodian, name="colleague", role="investigator")
        grant(house.repo, house.custodian, case=house.case, person=person, role="investigator")
        part = self.partial(desk.another("colleague"), b"abc")
        assert tus.post(("Upload-Concat", f"final;{part}")).status == 404

    def test_a_partial_upload_is_no_exhibit(self, tus, desk):
        before = desk.house.types().count("registration/done")
        part = self.partial(tus, b"abc")
        assert "evidence-exhibit" not in tus.head(part).headers
        assert desk.house.types().count("registration/done") == before

    def test_the_digest_of_the_whole_is_compared(self, tus):
        part = self.partial(tus, b"abc")
        answer = tus.post(("Upload-Concat", f"final;{part}"), ("Repr-Digest", repr_digest(b"abd")))
        assert answer.status == 422
