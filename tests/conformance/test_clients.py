"""Other people's clients of tus: tuspy, and tus-js-client under Node."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from tusclient.client import TusClient
from tusclient.storage import filestorage

from tests.node import TUS_JS, package

DRIVER = Path(__file__).with_name("tus_client.js")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    found = tmp_path_factory.mktemp("client") / "evidence.bin"
    found.write_bytes(os.urandom(1_500_001))
    return found


# It leaves its files to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
class TestTuspy:
    @pytest.fixture
    def client(self, desk):
        return TusClient(
            f"{desk.service.address}/api/v1/uploads",
            headers={"Authorization": f"Bearer {desk.tus.token}"},
        )

    def uploader(self, client, file, **more):
        return client.uploader(
            str(file), chunk_size=400_000, upload_checksum=True,
            metadata={"case": "KRN", "filename": "evidence.bin"}, **more,
        )  # fmt: skip

    def test_an_upload_in_blocks_with_checksums_becomes_the_exhibit(self, desk, client, file):
        uploader = self.uploader(client, file)
        uploader.upload()
        number = uploader.request.response_headers["evidence-exhibit"]
        assert desk.content(number) == file.read_bytes()

    def test_one_that_was_stopped_is_resumed_from_the_stored_place(
        self, desk, client, file, tmp_path
    ):
        def storing():
            return filestorage.FileStorage(str(tmp_path / "urls"))

        self.uploader(client, file, store_url=True, url_storage=storing()).upload(stop_at=800_000)
        again = self.uploader(client, file, store_url=True, url_storage=storing())
        assert again.offset == 800_000
        again.upload()
        number = again.request.response_headers["evidence-exhibit"]
        assert desk.content(number) == file.read_bytes()


class TestTusJs:
    @pytest.fixture
    def run(self, desk, file, tmp_path):
        module = package(TUS_JS)
        own = tmp_path / "evidence.bin"
        own.write_bytes(file.read_bytes())

        def run(action):
            done = subprocess.run(
                ["node", DRIVER, module, desk.service.address, desk.tus.token, own, action],
                capture_output=True, text=True, check=False, timeout=60,
            )  # fmt: skip
            assert done.returncode == 0, done.stdout + done.stderr
            return json.loads(done.stdout.splitlines()[-1])

        return run

    @pytest.mark.parametrize(
        ("action", "requests"),
        [
            ("once", ["POST", "PATCH", "PATCH", "PATCH", "PATCH"]),
            ("withCreation", ["POST", "PATCH", "PATCH", "PATCH"]),
            ("deferred", ["POST", "PATCH", "PATCH", "PATCH", "PATCH"]),
        ],
    )
    def test_an_upload_becomes_the_exhibit(self, desk, run, file, action, requests):
        said = run(action)
        assert said["requests"] == requests
        assert desk.content(said["exhibit"]) == file.read_bytes()

    def test_parallel_uploads_are_joined(self, desk, run, file):
        said = run("parallel")
        assert said["requests"].count("POST") == 4
        assert desk.content(said["exhibit"]) == file.read_bytes()

    def test_one_that_was_aborted_is_resumed_by_another_process(self, desk, run, file):
        assert run("abort")["accepted"] >= 800_000
        said = run("resume")
        assert said["requests"][0] == "HEAD"
        assert said["requests"].count("PATCH") <= 2
        assert desk.content(said["exhibit"]) == file.read_bytes()

    def test_one_that_was_given_up_is_gone(self, desk, run):
        said = run("terminate")
        assert said["terminated"]
        assert desk.tus.head(said["url"].removeprefix(desk.service.address)).status == 410
