"""SQLite of evidence and of messengers: opened in memory, bounded, with its log; never quoted."""

import io
import random
import sqlite3

import pytest

from ingest.extraction import Fact, Format, Found, Inhibitor, Problem
from ingest.extractors import messages_db, sqlite
from ingest.readers.databases import Database, read_database
from ingest.readers.members import Exhausted, Unreadable
from ingest.readers.peek import Peek
from tests.make_phones import database
from tests.shared import shared


def read(extractor, content, *further):
    peek = Peek(io.BytesIO(content), "application/octet-stream")
    names = tuple(name for name, test in extractor.CONTAINERS.items() if test(peek))
    what = Format("application/octet-stream", "", "", False, "single", (), None, names)
    parts = tuple(io.BytesIO(part) for part in further)
    return list(extractor.extract(io.BytesIO(content), Found(what, parts)))


def facts(items):
    return {item.name: item.value for item in items if isinstance(item, Fact)}


def times(items):
    return [facts(items).get(f"Messages:{name}") for name in ("First", "Last")]


def test_real_databases_give_their_known_counts_times_and_participants():
    for path, application, count, first, someone in (
        ("android/babel.db", "Hangouts (Android)", "14", "2017-07-17T04:39:08.448375Z",
         "google:id:108778762612058411235"),
        ("android/burners.sqlite", "Burner (Android)", "16", "2022-12-01T18:16:30.384Z",
         "tel:+19198887386"),
        ("ios/IMODb2.sqlite", "imo (iOS)", "16", "2023-04-26T18:11:40.927000000Z", None),
        ("tango_android_tc.db", "Tango (Android)", "18", None, None),
    ):  # fmt: skip
        items = read(messages_db, shared("samples", "mobile", "plaso", path).read_bytes())
        said = facts(items)
        assert (said["Messages:Application"], said["Messages:Count"]) == (application, count)
        assert first is None or said["Messages:First"] == first
        everyone = {
            i.value for i in items if isinstance(i, Fact) and i.kind in {"account", "telephone"}
        }
        assert someone is None or someone in everyone


def test_the_accounts_of_a_real_ios_device_are_found():
    items = read(
        messages_db, shared("samples", "mobile", "plaso/ios/Accounts3.sqlite").read_bytes()
    )
    assert facts(items)["Accounts:Application"] == "Accounts (iOS)"
    assert any(item.kind == "account" for item in items if isinstance(item, Fact))


def test_every_table_of_a_real_database_is_counted():
    said = [i.value for i in read(
        sqlite, shared("samples", "mobile", "plaso/android/contacts2.db").read_bytes()
    ) if isinstance(i, Fact)]  # fmt: skip
    assert {"accounts 0", "_sync_state 0"} <= set(said)


MSGSTORE = database(
    "CREATE TABLE message (_id INTEGER PRIMARY KEY, chat_row_id, from_me, timestamp, text_data)",
    "CREATE TABLE jid (_id INTEGER PRIMARY KEY, raw_string TEXT)",
    "CREATE TABLE chat (_id INTEGER PRIMARY KEY, jid_row_id)",
    rows=[
        ("INSERT INTO message VALUES (1, 1, 0, 1714548600000, 'secret words')", ()),
        ("INSERT INTO message VALUES (2, 1, 1, 1714549600500, 'secret words')", ()),
        ("INSERT INTO message VALUES (3, 1, 1, -1, NULL)", ()),
        ("INSERT INTO jid VALUES (1, '380441234567@s.whatsapp.net')", ()),
        ("INSERT INTO jid VALUES (2, '120363@g.us')", ()),
        ("INSERT INTO chat VALUES (1, 1)", ()),
    ],
)


def test_whatsapp_is_counted_and_never_quoted():
    items = read(messages_db, MSGSTORE)
    assert facts(items)["Messages:Application"] == "WhatsApp (Android)"
    assert facts(items)["Messages:Count"] == "3"
    assert times(items) == ["2024-05-01T07:30:00.000Z", "2024-05-01T07:46:40.500Z"]
    people = [item.value for item in items if isinstance(item, Fact) and item.name.endswith("pant")]
    assert people == ["whatsapp:id:120363@g.us", "tel:+380441234567"]
    assert "secret words" not in repr(items)


@pytest.mark.parametrize(
    ("statements", "application"),
    [
        (["CREATE TABLE sms (address, date, thread_id, body)"], "SMS (Android)"),
        (["CREATE TABLE messages_v2 (mid, uid, date, data)", "CREATE TABLE users (uid)",
          "CREATE TABLE dialogs (did)"], "Telegram (Android)"),
        (["CREATE TABLE ZWAMESSAGE (ZMESSAGEDATE)", "CREATE TABLE ZWACHATSESSION (ZCONTACTJID)",
          "CREATE TABLE ZWAGROUPMEMBER (ZMEMBERJID)"], "WhatsApp (iOS)"),
        (["CREATE TABLE wa_contacts (jid, number)"], "WhatsApp (Android)"),
        (["CREATE TABLE calls (number, date, duration)"], "Calls (Android)"),
        (["CREATE TABLE ZCALLRECORD (ZDATE, ZADDRESS)"], "Calls (iOS)"),
    ],
)  # fmt: skip
def test_an_empty_database_of_a_known_kind_is_known_and_counts_none(statements, application):
    said = facts(read(messages_db, database(*statements)))
    assert application in said.values()
    assert "0" in said.values()


def test_a_database_of_no_known_kind_says_nothing_and_that_is_no_problem():
    assert read(messages_db, database("CREATE TABLE t (a)")) == []


def test_what_stands_only_in_the_log_is_seen_where_the_log_is_given(tmp_path):
    place = tmp_path / "x.db"
    with sqlite3.connect(place) as base:
        base.execute("PRAGMA journal_mode = WAL")
        base.execute("CREATE TABLE t (a)")
        base.commit()
        base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        base.executemany("INSERT INTO t VALUES (?)", [("x" * 300,)] * 50)
        base.commit()
        whole, log = place.read_bytes(), (tmp_path / "x.db-wal").read_bytes()
    base.close()
    assert read_database(io.BytesIO(whole), [io.BytesIO(log)]).count("t") == 50
    assert read_database(io.BytesIO(whole)).count("t") == 0
    cut = read_database(io.BytesIO(whole), [io.BytesIO(log[: len(log) - 1])])
    assert cut.count("t") in {0, 50}  # the last commit did not arrive whole
    alone = read(sqlite, whole)
    assert Inhibitor("missing-part") in alone


def test_a_query_without_end_is_ended_by_the_clock():
    base = Database(database("CREATE TABLE t (a)"), seconds=0.2)
    with pytest.raises(Exhausted):
        base.rows(
            "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM r) SELECT sum(n) FROM r"
        )


def test_a_view_of_the_file_cannot_stand_for_a_table_and_nothing_can_be_written():
    base = Database(
        database("CREATE TABLE t (a)", "CREATE VIEW sms AS SELECT 1 address, 2 date, 3 thread_id")
    )
    assert not base.has("sms")
    with pytest.raises(Unreadable):
        base.rows("INSERT INTO t VALUES (1)")
    with pytest.raises(Unreadable):
        base.rows("ATTACH DATABASE 'other.db' AS other")


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_database_gives_what_there_is_and_no_exception(seed):
    chance = random.Random(seed)
    changed = bytearray(MSGSTORE)
    for _ in range(chance.randint(1, 60)):
        changed[chance.randrange(20, len(changed))] = chance.randrange(256)
    for extractor in (sqlite, messages_db):
        read(extractor, bytes(changed[: chance.randint(100, len(changed))]))


def test_an_encrypted_backup_of_whatsapp_or_signal_is_named_so():
    noise = random.Random(7).randbytes(4000)
    signal = b"\0\0\0\x36\x0a\x34\n\x10" + noise[:16] + b"\x12\x20" + noise
    whatsapp = b"\xba\x01\x0a\x20" + noise[:60] + b"2.23.10.76" + noise
    for content, application in (
        (signal, "Signal (encrypted backup)"),
        (whatsapp, "WhatsApp (encrypted backup)"),
        (b"\0\1\1" + noise, "WhatsApp (encrypted backup)"),
    ):
        items = read(messages_db, content)
        assert Inhibitor("encrypted") in items
        assert facts(items)["Messages:Application"] == application
        assert not [item for item in items if isinstance(item, Problem)]
