"""What was said, message by message: of messengers' databases and of the exports they write.

Only for an extractor that runs when it is asked for. Every source gives the same four things: what
the message is found by again, when, from whom, and its words. A new application is a new row of
`WORDS`.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ingest.normalise import Normal, times
from ingest.normalise.times import since
from ingest.readers import app_databases
from ingest.readers.databases import Database
from ingest.readers.jsons import walk
from ingest.readers.members import Budget, Unreadable
from ingest.readers.whatsapp_lines import START, lines, named, regular, stands
from ingest.readers.xmls import nodes

OWN = "(this device)"
MOST_ROWS = 200_000  # of one database
_MOST_CONTINUED = 1 << 20  # characters of one message of many lines


@dataclass(frozen=True, slots=True)
class Said:
    """One message."""

    application: str
    place: str  # row, id or line: by which it is found again
    moment: str  # its time as it stands
    when: Normal | None
    sender: str
    text: str


# Of each application a question for row, time, sender and words, in the order of time.
_OWN = f"'{OWN}'"
_MMS = "MMS (Android)"
_MMS_SENDER = (  # 137 is "From" of the addresses, box 1 what came in
    "CASE p.msg_box WHEN 1 THEN (SELECT a.address FROM addr a WHERE a.msg_id = p._id "  # noqa: S608
    f"AND a.type = 137 LIMIT 1) ELSE {_OWN} END"
)
_MMS_SUBJECTS = (
    f"SELECT p._id, p.date, {_MMS_SENDER}, p.sub, p.sub_cs FROM pdu p WHERE p.sub != '' "  # noqa: S608
    "ORDER BY p.date, p._id"
)
_MMS_IN_FILES = (
    "SELECT count(*) FROM part WHERE ct LIKE 'text/plain%' AND coalesce(text, '') = '' "
    "AND _data != ''"
)
_UTF_8 = 106  # as the registry of character sets numbers it
WORDS = {
    "WhatsApp (Android)": (
        "SELECT m._id, m.timestamp, CASE m.from_me WHEN 1 THEN "  # noqa: S608  (our own constants)
        f"{_OWN} ELSE coalesce(s.raw_string, j.raw_string) END, m.text_data FROM message m "
        "LEFT JOIN jid s ON s._id = m.sender_jid_row_id LEFT JOIN chat c ON c._id = m.chat_row_id "
        "LEFT JOIN jid j ON j._id = c.jid_row_id WHERE m.text_data != '' ORDER BY m.timestamp"
    ),
    "WhatsApp (Android, before 2020)": (
        f"SELECT _id, timestamp, CASE key_from_me WHEN 1 THEN {_OWN} "  # noqa: S608
        "ELSE coalesce(nullif(remote_resource, ''), key_remote_jid) END, data FROM messages "
        "WHERE data != '' ORDER BY timestamp"
    ),
    "WhatsApp (iOS)": (
        f"SELECT Z_PK, ZMESSAGEDATE, CASE ZISFROMME WHEN 1 THEN {_OWN} ELSE ZFROMJID END, "  # noqa: S608
        "ZTEXT FROM ZWAMESSAGE WHERE ZTEXT != '' ORDER BY ZMESSAGEDATE"
    ),
    "SMS (Android)": (
        f"SELECT _id, date, CASE type WHEN 1 THEN address ELSE {_OWN} END, body FROM sms "  # noqa: S608
        "WHERE body != '' ORDER BY date"
    ),
    _MMS: (
        f"SELECT p._id, p.date, {_MMS_SENDER}, t.text FROM pdu p JOIN part t ON t.mid = p._id "  # noqa: S608
        "WHERE t.ct LIKE 'text/plain%' AND t.text != '' ORDER BY p.date, p._id, t.seq, t._id"
    ),
    "Messages (iOS)": (
        f"SELECT m.ROWID, m.date, CASE m.is_from_me WHEN 1 THEN {_OWN} ELSE h.id END, m.text "  # noqa: S608
        "FROM message m LEFT JOIN handle h ON h.ROWID = m.handle_id WHERE m.text != '' "
        "ORDER BY m.date"
    ),
    "Hangouts (Android)": (
        "SELECT _id, timestamp, author_gaia_id, text FROM messages WHERE text != '' "
        "ORDER BY timestamp"
    ),
    "imo (iOS)": (
        f"SELECT Z_PK, ZTS, CASE ZISSENT WHEN 1 THEN {_OWN} ELSE ZBUID END, ZTEXT "  # noqa: S608
        "FROM ZIMOCHATMSG WHERE ZTEXT != '' ORDER BY ZTS"
    ),
    "Viber (Android)": (
        "SELECT m._id, m.msg_date, i.number, m.body FROM messages m "
        "LEFT JOIN participants p ON p._id = m.participant_id "
        "LEFT JOIN participants_info i ON i._id = p.participant_info_id "
        "WHERE m.body != '' ORDER BY m.msg_date"
    ),
    "Facebook Messenger (Android)": (
        "SELECT msg_id, timestamp_ms, sender, text FROM messages WHERE text != '' "
        "ORDER BY timestamp_ms"
    ),
    "Skype": (
        "SELECT id, timestamp, author, body_xml FROM Messages WHERE body_xml != '' "
        "ORDER BY timestamp"
    ),
    "Burner (Android)": (
        f"SELECT _id, date_created, CASE direction WHEN 1 THEN contact_phone_number ELSE {_OWN} "  # noqa: S608
        "END, message FROM messages WHERE message != '' ORDER BY date_created"
    ),
}


def of_database(database: Database) -> Iterator[Said]:
    """Yield the messages of a database of a known kind.

    Raises:
        Exhausted: the time is up.
        Unreadable: it is damaged, lacks a column that is asked for, or how it keeps messages is not
            known here.
    """
    stores = [one for one in app_databases.known(database) if one.what == "Messages"]
    if not stores:
        raise Unreadable("this is the database of no messenger that is known here")
    unread = []
    for store in stores:
        if store.application not in WORDS:
            unread.append(f"how {store.application} keeps its messages is not known here")
            continue
        try:
            yield from _rows(database, store, WORDS[store.application])
            if store.application == _MMS:
                yield from _subjects(database, store)
                if found := database.one(_MMS_IN_FILES)[0]:
                    unread.append(f"the words of {found} parts of MMS lie in files beside it")
        except Unreadable as error:  # the others may be sound
            unread.append(f"{store.application}: {error}")
    if unread:
        raise Unreadable("; ".join(unread))


def _rows(database: Database, store: app_databases.Store, question: str) -> Iterator[Said]:
    for count, (row, value, sender, text) in enumerate(database.each(question, MOST_ROWS + 1)):
        if count == MOST_ROWS:
            raise Unreadable(f"it has more than {MOST_ROWS} messages; the latest were left out")
        yield _said(store, f"row {row}", value, sender, str(text))


def _subjects(database: Database, store: app_databases.Store) -> Iterator[Said]:
    """Yield the subjects of MMS: their bytes stand there one by one, each as a Latin-1 letter."""
    for row, value, sender, subject, charset in database.each(_MMS_SUBJECTS, MOST_ROWS):
        text = str(subject)
        if charset == _UTF_8:
            with suppress(UnicodeError):  # else a program wrote it as it is to be read
                text = text.encode("latin-1").decode()
        yield _said(store, f"row {row} subject", value, sender, text)


def _said(store: app_databases.Store, place: str, value: object, sender: object, text: str) -> Said:
    number = isinstance(value, int | float)
    when = app_databases.moment(value, store) if number else None  # type: ignore[arg-type]
    return Said(store.application, place, str(value), when, str(sender or ""), text)


def of_whatsapp(blocks: Iterator[bytes], budget: Budget) -> Iterator[Said]:
    """Yield the messages of an exported chat; raises as `lines`. Their times stay as they stand."""
    open_: list[str] = []  # time, sender, and the lines of the message at hand
    began = length = 0
    for number, line in enumerate(lines(blocks, budget), 1):
        plain = regular(line)
        found = START.match(plain)
        if found is None:
            length += len(line)
            if open_ and length < _MOST_CONTINUED:
                open_.append(line.rstrip("\r"))
            continue
        yield from _exported(open_, began)
        open_, length = [], 0
        if found[2] is not None:  # else it is a notice of WhatsApp's own
            text = re.split(r"\] ?| - ", line, maxsplit=1)[-1].partition(": ")[2]
            open_, began = [stands(line, plain), named(found[2]), text.rstrip("\r")], number
    yield from _exported(open_, began)


def _exported(message: list[str], line: int) -> Iterator[Said]:
    if message:
        moment, sender, *text = message
        words = "\n".join(text).strip()
        yield Said("WhatsApp (exported chat)", f"line {line}", moment, None, sender, words)


def of_telegram(blocks: Iterator[bytes], budget: Budget) -> Iterator[Said]:
    """Yield the messages of a result.json; raises as `walk`."""
    for path, value in walk(blocks, budget, lambda path: path[-1:] == ("messages",)):
        if len(path) < 2 or path[-2] != "messages" or not isinstance(value, dict):
            continue
        words = _plain(value.get("text"))
        if not words:
            continue
        seconds, date = str(value.get("date_unixtime", "")), str(value.get("date", ""))[:40]
        known = seconds.isdecimal() and len(seconds) < 12
        when = times.since("unix", int(seconds)) if known else times.iso(date)
        who = str(value.get("from_id") or "")[:200]
        name = str(value.get("from") or "")[:200]
        chat = "/".join(str(key) for key in path[:-2])
        place = f"message {str(value.get('id', ''))[:40]} {chat}".strip()
        yield Said("Telegram (export)", place, date, when, f"{name} {who}".strip(), words)


def _plain(text: Any) -> str:
    """Return a message's words: a text, or pieces of which some are marked."""
    if isinstance(text, list):
        pieces = [one.get("text", "") if isinstance(one, dict) else one for one in text]
        return "".join(piece for piece in pieces if isinstance(piece, str))
    return text if isinstance(text, str) else ""


def of_sms(blocks: Iterator[bytes], budget: Budget) -> Iterator[Said]:
    """Yield the messages of an SMS backup; raises as `nodes`."""
    count = 0
    whole: Mapping[str, str] = {}  # the message that the parts belong to
    for node in nodes(blocks, budget):
        if node.text is not None:
            continue
        match node.path:
            case (_, "sms" | "mms" as kind):
                count, whole = count + 1, node.attributes
                words = whole.get("body", "") if kind == "sms" else ""
            case (_, "mms", "parts", "part"):
                plain = node.attributes.get("ct") == "text/plain"
                words = node.attributes.get("text", "") if plain else ""
            case _:
                continue
        if words and words != "null":
            moment = whole.get("date", "")
            known = moment.isdecimal() and len(moment) < 16
            when = since("unix", int(moment), per_second=1000) if known else None
            received = whole.get("type") == "1" or whole.get("msg_box") == "1"
            sender = whole.get("address", "") if received else OWN
            yield Said("SMS (backup)", f"message {count}", moment, when, sender, words)
