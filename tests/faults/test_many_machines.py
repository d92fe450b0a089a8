"""Two services and two workers over one PostgreSQL and one Ceph, each in a network of its own.

One of each is killed under load. Uploads go on at the other machine, and everything that was
acknowledged is there exactly once.
"""

import os
import time
from contextlib import ExitStack

import pytest
from sqlalchemy import text

from repository import open_repository
from tests.ceph import ceph
from tests.faults.checker import store_listing
from tests.faults.load import Load
from tests.faults.scene import ROLES, judged, token_of
from tests.house import make_house
from tests.machines import copy_of, network
from tests.postgres import Server, find_or_skip
from tests.relay import relay
from tests.service import Running, Service, evidence

pytestmark = [
    pytest.mark.ceph,
    pytest.mark.postgres,
    pytest.mark.sqlite_only("it brings a server of its own"),
]
WAITING = """
    SELECT (SELECT count(*) FROM upload WHERE state IN ('arrived', 'closing'))
         + (SELECT count(*) FROM exhibit WHERE processed_at IS NULL)
"""


def wait_for(true):
    end = time.monotonic() + 240
    while not true():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.2)


@pytest.fixture
def shared(tmp_path):
    """One PostgreSQL and one Ceph that four machines reach; yields them and a house on both."""
    find_or_skip()
    keys = ceph()
    with ExitStack() as undo:
        machines = undo.enter_context(network(4))
        here = machines[0].gateway
        tmp_path.chmod(0o755)
        server = Server()
        server.make()
        with (server.folder / "data" / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {here}/24 trust\n")
        server.start(listen_addresses=f"127.0.0.1,{here}")
        undo.callback(server.stop)
        s3 = ("127.0.0.1", int(keys["S3_ENDPOINT"].rpartition(":")[2]))
        line = undo.enter_context(relay(s3, listen=here))
        for name in ("access", "secret"):
            (tmp_path / name).write_text(keys[f"S3_{name.upper()}_KEY"])
        settings = {
            "database_url": server.url.replace("127.0.0.1", here),
            "store_url": f"s3+http://{here}:{line.place[1]}/?prefix=m{os.urandom(3).hex()}-"
            "&mode=GOVERNANCE",
            "store_access_key_file": tmp_path / "access",
            "store_secret_key_file": tmp_path / "secret",
        }
        yield machines, make_house(tmp_path / "house", **settings), settings


def test_one_service_and_one_worker_die_and_the_others_lose_and_double_nothing(shared, tmp_path):
    machines, house, settings = shared
    environment = {f"EVIDENCE_{name.upper()}": str(value) for name, value in settings.items()}
    tokens = {name: token_of(house, name) for name in ROLES}
    house.repo.close()
    datas = [copy_of(house.data, tmp_path / one.name / "data") for one in machines]
    services = [
        Service(data, host=one.address, port=8080, prefix=one.prefix,
                log=tmp_path / f"{one.name}.log", **environment)
        for one, data in list(zip(machines, datas, strict=True))[:2]
    ]  # fmt: skip
    workers = [
        Running([*one.prefix, *evidence(data, "worker")],
                log=tmp_path / f"{one.name}.log", **environment)
        for one, data in list(zip(machines, datas, strict=True))[2:]
    ]  # fmt: skip
    processes = [*services, *workers]
    try:
        for one in processes:
            one.start()
        places = [one.place for one in services]
        with Load(places, tokens, threads=4, seed=5, large=0.1, timeout=10) as told:
            wait_for(lambda: len(told.acknowledged) >= 8)
            services[0].kill()
            workers[0].kill()
            before = len(told.acknowledged)
            # It goes on without them.
            wait_for(lambda: len(told.acknowledged) >= before + 8)
        assert all(one.alive for one in (services[1], workers[1]))
        repo = open_repository(house.repo.settings)

        def nothing_waits():
            with repo.database.reading() as session:
                return not session.execute(text(WAITING)).scalar()

        wait_for(nothing_waits)  # what the dead had begun is taken over
        for one in processes:
            one.kill()
        found = judged(house.repo.settings, told, lambda: store_listing(repo.store), environment)
        repo.close()
        assert found.clean, found
    finally:
        for one in processes:
            one.kill()
