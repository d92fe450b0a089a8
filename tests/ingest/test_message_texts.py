"""Contents of messages: each with its time and sender, and only where they were asked for."""

import io
import json
import tempfile
import zipfile
from datetime import UTC, datetime

import pytest

from ingest.extraction import Derivative, Fact, Format, Found, Problem
from ingest.extractors import chat_sms, chat_telegram, chat_whatsapp, message_texts
from ingest.readers import message_texts as readers
from ingest.readers.peek import Peek
from ingest.sandbox import Sandbox
from tests.make_phones import database
from tests.shared import shared

KNOWN = chat_whatsapp.CONTAINERS | chat_telegram.CONTAINERS | chat_sms.CONTAINERS
WHATSAPP = database(
    "CREATE TABLE message (_id INTEGER PRIMARY KEY, chat_row_id, from_me, sender_jid_row_id,"
    " timestamp, text_data)",
    "CREATE TABLE jid (_id INTEGER PRIMARY KEY, raw_string TEXT)",
    "CREATE TABLE chat (_id INTEGER PRIMARY KEY, jid_row_id)",
    rows=[
        ("INSERT INTO message VALUES (1, 1, 0, NULL, 1714548600000, 'they came at dawn')", ()),
        ("INSERT INTO message VALUES (2, 1, 1, NULL, 1714549600500, 'who?')", ()),
        ("INSERT INTO message VALUES (3, 2, 0, 1, 1714549700000, 'in the group')", ()),
        ("INSERT INTO message VALUES (4, 1, 1, NULL, -1, NULL)", ()),
        ("INSERT INTO jid VALUES (1, '380441234567@s.whatsapp.net')", ()),
        ("INSERT INTO jid VALUES (2, '120363@g.us')", ()),
        ("INSERT INTO chat VALUES (1, 1)", ()),
        ("INSERT INTO chat VALUES (2, 2)", ()),
    ],
)
IMESSAGE = database(
    "CREATE TABLE message (ROWID INTEGER PRIMARY KEY, text, date, handle_id, is_from_me)",
    "CREATE TABLE handle (ROWID INTEGER PRIMARY KEY, id TEXT)",
    "CREATE TABLE chat (ROWID INTEGER PRIMARY KEY)",
    rows=[
        ("INSERT INTO message VALUES (5, 'at the bridge', 736241400000000000, 1, 0)", ()),
        ("INSERT INTO message VALUES (6, 'coming', 736241460000000000, 1, 1)", ()),
        ("INSERT INTO handle VALUES (1, '+380441234567')", ()),
    ],
)
SMS = database(
    "CREATE TABLE sms (_id INTEGER PRIMARY KEY, address, date, thread_id, type, body)",
    rows=[("INSERT INTO sms VALUES (9, '+380441234567', 1714548600000, 1, 1, 'hello')", ())],
)


def read(content):
    peek = Peek(io.BytesIO(content), "text/plain")
    names = tuple(name for name, test in KNOWN.items() if test(peek))
    what = Format("text/plain", "", "", False, "single", (), None, names)
    return list(message_texts.extract(io.BytesIO(content), Found(what)))


def said(items):
    """Return each message as (place, time, sender) and words."""
    return [
        (item.source.removeprefix(f"{message_texts.VERSION} "), item.value)
        for item in items
        if isinstance(item, Fact)
    ]


def text_of(items):
    return "".join(item.data.decode() for item in items if isinstance(item, Derivative))


def zipped(name, content):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, content)
        archive.writestr("Notes.txt", "[14.05.24, 16:49:42] x: no chat\n")
    return out.getvalue()


def test_a_database_gives_each_message_with_row_time_and_sender():
    number = "380441234567@s.whatsapp.net"
    items = read(WHATSAPP)
    assert said(items) == [
        (f"WhatsApp (Android) row 1, 2024-05-01T07:30:00.000Z, {number}", "they came at dawn"),
        ("WhatsApp (Android) row 2, 2024-05-01T07:46:40.500Z, (this device)", "who?"),
        (f"WhatsApp (Android) row 3, 2024-05-01T07:48:20.000Z, {number}", "in the group"),
    ]
    assert (
        text_of(items).splitlines()[0] == f"2024-05-01T07:30:00.000Z\t{number}\tthey came at dawn"
    )
    assert [words for _, words in said(read(IMESSAGE))] == ["at the bridge", "coming"]
    [(source, words)] = said(read(SMS))
    assert (source, words) == (
        "SMS (Android) row 9, 2024-05-01T07:30:00.000Z, +380441234567", "hello",
    )  # fmt: skip


def test_mms_give_the_words_of_their_text_parts_and_their_subjects():
    items = read(
        database(
            # As Android's telephony provider makes them, without columns that are not asked for.
            "CREATE TABLE pdu (_id INTEGER PRIMARY KEY AUTOINCREMENT, thread_id INTEGER,"
            " date INTEGER, msg_box INTEGER, sub TEXT, sub_cs INTEGER, m_type INTEGER)",
            "CREATE TABLE addr (_id INTEGER PRIMARY KEY, msg_id INTEGER, contact_id INTEGER,"
            " address TEXT, type INTEGER, charset INTEGER)",
            "CREATE TABLE part (_id INTEGER PRIMARY KEY AUTOINCREMENT, mid INTEGER,"
            " seq INTEGER DEFAULT 0, ct TEXT, chset INTEGER, _data TEXT, text TEXT)",
            rows=[
                ("INSERT INTO pdu VALUES (3, 1, 1714548600, 1, ?, 106, 132)",
                 ("міст".encode().decode("latin-1"),)),
                ("INSERT INTO pdu VALUES (4, 1, 1714548700, 2, 'так', 106, 128)", ()),
                ("INSERT INTO addr VALUES (1, 3, NULL, '+380441234567', 137, 106)", ()),
                ("INSERT INTO addr VALUES (2, 3, NULL, '+380440000000', 151, 106)", ()),
                ("INSERT INTO addr VALUES (3, 4, NULL, 'insert-address-token', 137, 106)", ()),
                ("INSERT INTO part VALUES (1, 3, -1, 'application/smil', 3, '', '<smil/>')", ()),
                ("INSERT INTO part VALUES (2, 3, 0, 'text/plain', 106, NULL, 'на мосту')", ()),
                ("INSERT INTO part VALUES (3, 3, 0, 'image/jpeg', 106, '/p/1.jpg', NULL)", ()),
                ("INSERT INTO part VALUES (4, 4, 0, 'text/plain', 106, NULL, 'coming')", ()),
                ("INSERT INTO part VALUES (5, 4, 0, 'text/plain', 106, '/p/2.txt', NULL)", ()),
            ],
        )
    )  # fmt: skip
    here, there = "2024-05-01T07:30:00Z, +380441234567", "2024-05-01T07:31:40Z, (this device)"
    assert said(items) == [
        (f"MMS (Android) row 3, {here}", "на мосту"),
        (f"MMS (Android) row 4, {there}", "coming"),
        (f"MMS (Android) row 3 subject, {here}", "міст"),
        (f"MMS (Android) row 4 subject, {there}", "так"),
    ]
    [problem] = [item.reason for item in items if isinstance(item, Problem)]
    assert problem.endswith("the words of 1 parts of MMS lie in files beside it")


def test_more_messages_than_are_read_are_told(monkeypatch):
    monkeypatch.setattr(readers, "MOST_ROWS", 2)
    items = read(WHATSAPP)
    assert len(said(items)) == 2
    [problem] = [item.reason for item in items if isinstance(item, Problem)]
    assert "more than 2 messages" in problem


@pytest.mark.parametrize(
    ("path", "first"),
    [
        (
            "android/babel.db",
            "Hangouts (Android) row 1, 2017-07-17T04:39:08.448375Z, 108778762612058411235",
        ),
        ("android/burners.sqlite", "Burner (Android) row 1, 2022-12-01T18:16:30.384Z, "),
        ("ios/IMODb2.sqlite", "imo (iOS) row 1, 2023-04-26T18:11:40.927000000Z, 2000810370507916"),
    ],
)
def test_real_databases_give_the_words_that_sqlite_itself_gives(path, first):
    items = read(shared("samples", "mobile", "plaso", path).read_bytes())
    assert not [item for item in items if isinstance(item, Problem)]
    found = said(items)
    assert found[0][0].startswith(first)
    assert found[0][1] in {";)", "You there?", "Are you on imo?"}
    assert len(found) >= 10


def test_a_chat_of_whatsapp_keeps_lines_and_the_times_as_they_stand():
    chat = (
        "[14.05.24, 16:49:42] Оксана: hello\nand more: words\n"
        "[14.05.24, 16:50:00] Messages are end-to-end encrypted\n"
        "[٤/٥/٢٠٢٤، ٧:٠٠:٠٠ م] أحمد: نعم\n14.05.24, 17:00 - Петро: так\n"
    ).encode()
    expected = [
        ("line 1, 14.05.24, 16:49:42, Оксана", "hello\nand more: words"),
        ("line 4, ٤/٥/٢٠٢٤، ٧:٠٠:٠٠ م, أحمد", "نعم"),
        ("line 5, 14.05.24, 17:00, Петро", "так"),
    ]
    for content, above in ((chat, ""), (zipped("_chat.txt", chat), "_chat.txt ")):
        assert said(read(content)) == [
            (f"WhatsApp (exported chat) {above}{place}", words) for place, words in expected
        ]


def test_an_export_of_telegram_gives_plain_and_marked_words():
    one = json.loads(chat_telegram.SAMPLE)
    one["messages"][1]["text"] = ["see ", {"type": "link", "text": "example.org"}]
    for content in (json.dumps(one).encode(), zipped("result.json", json.dumps(one))):
        places, words = zip(*said(read(content)), strict=True)
        assert words == ("hello", "see example.org")
        assert places[0].endswith("message 1, 2024-05-01T07:30:00Z, Oksana user77")


def test_a_backup_of_text_messages_gives_words_of_sms_and_of_the_parts_of_mms():
    backup = chat_sms.SAMPLE.replace(
        b"<parts>", b'<parts><part seq="1" ct="text/plain" text="look" />'
    )
    assert said(read(backup)) == [
        ("SMS (backup) message 1, 2024-05-01T07:30:00.000Z, +380441234567", "hello"),
        ("SMS (backup) message 2, 2024-05-01T07:46:40.500Z, (this device)", "look"),
    ]


def test_more_messages_than_may_be_facts_are_in_the_text_and_that_is_said(monkeypatch):
    monkeypatch.setattr(message_texts, "MOST_FACTS", 2)
    items = read(WHATSAPP)
    assert len(said(items)) == 2
    assert len(text_of(items).splitlines()) == 3
    assert [item.reason for item in items if isinstance(item, Problem)] == [
        "2 of 3 messages are facts; 3 are in the text"
    ]


@pytest.mark.parametrize(
    ("tables", "why"),
    [
        ("CREATE TABLE sms (address, date, thread_id, body)", ""),
        ("CREATE TABLE bookmarks (url)", " this is the database of no messenger that is known"),
        (
            "CREATE TABLE messages (payload, create_time, msg_id, conv_id)",
            " how Tango (Android) keeps its messages is not known here",
        ),
    ],
)
def test_a_database_that_cannot_be_read_is_a_problem_and_no_silence(tables, why):
    items = read(database(tables))
    [said] = [item.reason for item in items if isinstance(item, Problem)]
    assert said.startswith(f"not all messages were read:{why}")


def test_what_was_said_is_read_where_it_is_asked_for_and_only_there():
    with Sandbox(clock=lambda: datetime.now(UTC)) as sandbox, tempfile.TemporaryFile() as file:
        file.write(WHATSAPP)
        plain = sandbox.extract(file, name_hint="msgstore.db")
        asked = sandbox.extract(file, name_hint="msgstore.db", asked={"message_texts"})
    assert "message_texts: not done: it was not asked for" in plain.problems
    assert "they came at dawn" not in repr(plain)
    assert "they came at dawn" in [fact.value for fact in asked.facts]
    [text] = [one for one in asked.derivatives if one.locator == "messages"]
    assert b"they came at dawn" in text.data
