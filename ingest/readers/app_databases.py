"""Databases of messages, calls, contacts and accounts: how many, between whom, from when to when.

One row of `STORES` for each database: the tables by which it is known, and the questions that give
count, times and participants. What was said is never read. Times are UTC where the application
writes an epoch, as all of these do. A new application is a new row.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ingest.extraction import Fact, Item, Problem
from ingest.normalise import Normal, fact
from ingest.normalise import identifiers as ids
from ingest.normalise.times import since
from ingest.readers.databases import Database
from ingest.readers.members import Exhausted, Unreadable

MOST_PARTICIPANTS = 1000


@dataclass(frozen=True, slots=True)
class Store:
    """One kind of database. `times` is a table or question of one column, in `units` a second."""

    application: str
    what: str  # Messages, Calls, Contacts, Accounts
    needs: tuple[tuple[str, ...], ...]  # table, then columns
    table: str
    time: str = ""  # column or expression
    epoch: str = "unix"
    units: int = 1  # 0: told by the size of the number (sms.db of iOS)
    where: str = "1"
    people: tuple[str, ...] = ()  # questions of one column, or of service and name
    service: str = ""  # of the accounts; empty: telephone numbers and mail addresses
    chats: str = ""  # a question that counts conversations


_IOS_ACCOUNTS = (
    "SELECT DISTINCT t.ZIDENTIFIER, a.ZUSERNAME FROM ZACCOUNT a JOIN ZACCOUNTTYPE t "
    "ON t.Z_PK = a.ZACCOUNTTYPE WHERE a.ZUSERNAME IS NOT NULL"
)

STORES = (
    Store(
        "WhatsApp (Android)", "Messages", (("message", "chat_row_id", "timestamp"), ("jid",)),
        "message", "timestamp", units=1000, where="timestamp > 0",
        people=("SELECT DISTINCT raw_string FROM jid WHERE raw_string LIKE '%@%'",),
        service="whatsapp", chats="SELECT count(*) FROM chat",
    ),
    Store(
        "WhatsApp (Android, before 2020)", "Messages",
        (("messages", "key_remote_jid", "key_from_me", "timestamp"),),
        "messages", "timestamp", units=1000, where="timestamp > 0",
        people=("SELECT DISTINCT key_remote_jid FROM messages WHERE key_remote_jid LIKE '%@%'",
                "SELECT DISTINCT remote_resource FROM messages WHERE remote_resource LIKE '%@%'"),
        service="whatsapp", chats="SELECT count(DISTINCT key_remote_jid) FROM messages",
    ),
    Store(
        "WhatsApp (Android)", "Contacts", (("wa_contacts", "jid"),), "wa_contacts",
        people=("SELECT DISTINCT jid FROM wa_contacts",), service="whatsapp",
    ),
    Store(
        "WhatsApp (iOS)", "Messages", (("ZWAMESSAGE", "ZMESSAGEDATE"), ("ZWACHATSESSION",)),
        "ZWAMESSAGE", "ZMESSAGEDATE", epoch="apple",
        people=("SELECT DISTINCT ZCONTACTJID FROM ZWACHATSESSION",
                "SELECT DISTINCT ZMEMBERJID FROM ZWAGROUPMEMBER"),
        service="whatsapp", chats="SELECT count(*) FROM ZWACHATSESSION",
    ),
    Store(
        "Telegram (Android)", "Messages", (("messages_v2", "mid", "uid", "date"),),
        "messages_v2", "date", where="date > 0", people=("SELECT DISTINCT uid FROM users",),
        service="telegram:id", chats="SELECT count(*) FROM dialogs",
    ),
    Store(
        "SMS (Android)", "Messages", (("sms", "address", "date", "thread_id"),), "sms", "date",
        units=1000, people=("SELECT DISTINCT address FROM sms",),
        chats="SELECT count(DISTINCT thread_id) FROM sms",
    ),
    Store(
        "MMS (Android)", "Messages", (("pdu", "date", "msg_box"),), "pdu", "date",
        people=("SELECT DISTINCT address FROM addr WHERE address != 'insert-address-token'",),
        chats="SELECT count(DISTINCT thread_id) FROM pdu",
    ),
    Store(
        "Messages (iOS)", "Messages", (("message", "date", "handle_id"), ("handle", "id")),
        "message", "date", epoch="apple", units=0, where="date > 0",
        people=("SELECT DISTINCT id FROM handle",), chats="SELECT count(*) FROM chat",
    ),
    Store(
        "Calls (Android)", "Calls", (("calls", "number", "date", "duration"),), "calls", "date",
        units=1000, people=("SELECT DISTINCT number FROM calls",),
    ),
    Store(
        "Calls (iOS)", "Calls", (("ZCALLRECORD", "ZDATE", "ZADDRESS"),), "ZCALLRECORD", "ZDATE",
        epoch="apple", people=("SELECT DISTINCT CAST(ZADDRESS AS TEXT) FROM ZCALLRECORD",),
    ),
    Store("Contacts (Android)", "Contacts", (("raw_contacts", "display_name"),), "raw_contacts"),
    Store("Contacts (iOS)", "Contacts", (("ABPerson", "First", "Last"),), "ABPerson"),
    Store(
        "Accounts (Android)", "Accounts", (("accounts", "account_name", "account_type"),),
        "accounts", people=("SELECT DISTINCT account_type, account_name FROM accounts",),
    ),
    Store(
        "Accounts (Android)", "Accounts", (("accounts", "name", "type", "password"),), "accounts",
        people=("SELECT DISTINCT type, name FROM accounts",),
    ),
    Store(
        "Accounts (iOS)", "Accounts",
        (("ZACCOUNT", "ZUSERNAME", "ZACCOUNTTYPE"), ("ZACCOUNTTYPE", "ZIDENTIFIER")), "ZACCOUNT",
        people=(_IOS_ACCOUNTS,),
    ),
    Store(
        "Hangouts (Android)", "Messages",
        (("messages", "conversation_id", "timestamp", "author_gaia_id"),),
        "messages", "timestamp", units=1_000_000, where="timestamp > 0",
        people=("SELECT DISTINCT gaia_id FROM participants WHERE gaia_id IS NOT NULL",),
        service="google:id", chats="SELECT count(*) FROM conversations",
    ),
    Store(
        "imo (iOS)", "Messages", (("ZIMOCHATMSG", "ZTS"), ("ZIMOCONTACT", "ZBUID")), "ZIMOCHATMSG",
        "ZTS", units=1_000_000_000, people=("SELECT DISTINCT ZBUID FROM ZIMOCONTACT",),
        service="imo:id",
    ),
    Store(
        "Tango (Android)", "Messages", (("messages", "msg_id", "conv_id", "create_time"),),
        "messages", "create_time", units=1000, where="create_time > 0",
        chats="SELECT count(*) FROM conversations",
    ),
    Store(
        "Viber (Android)", "Messages",
        (("messages", "msg_date", "conversation_id"), ("participants_info",)),
        "messages", "msg_date", units=1000, where="msg_date > 0",
        people=("SELECT DISTINCT number FROM participants_info",),
        chats="SELECT count(*) FROM conversations",
    ),
    Store(
        "Facebook Messenger (Android)", "Messages",
        (("messages", "msg_id", "thread_key", "timestamp_ms"),),
        "messages", "timestamp_ms", units=1000, where="timestamp_ms > 0",
        people=("SELECT DISTINCT user_key FROM thread_users",), service="facebook:id",
        chats="SELECT count(DISTINCT thread_key) FROM messages",
    ),
    Store(
        "Skype", "Messages", (("Messages", "convo_id", "timestamp", "author"),), "Messages",
        "timestamp", people=("SELECT DISTINCT author FROM Messages",), service="skype",
        chats="SELECT count(*) FROM Conversations",
    ),
    Store(
        "Burner (Android)", "Messages",
        (("messages", "date_created", "burner_id", "contact_phone_number"),),
        "messages", "date_created", units=1000,
        people=("SELECT DISTINCT contact_phone_number FROM messages",),
    ),
)  # fmt: skip


def known(database: Database) -> list[Store]:
    """Return what kinds of database one is."""
    return [
        store
        for store in STORES
        if all(database.has(table, *columns) for table, *columns in store.needs)
    ]


def facts(database: Database, source: str) -> Iterator[Item]:
    """Yield what is known of the messages, calls, contacts and accounts of a database."""
    for store in known(database):
        try:
            yield from _store(database, store, f"{source} {store.application}")
        except (Unreadable, Exhausted) as error:
            yield Problem(f"{store.application}: {error}")


def _store(database: Database, store: Store, source: str) -> Iterator[Item]:
    group = store.what
    yield Fact(f"{group}:Application", store.application, store.application, source)
    count = database.count(store.table)
    yield Fact(f"{group}:Count", str(count), str(count), f"{source} {store.table}")
    if store.chats:
        try:
            row = database.one(store.chats)
        except Unreadable:
            row = ()
        if row:
            yield Fact(f"{group}:Conversations", str(row[0]), str(row[0]), source)
    if store.time and count:
        question = (
            f"SELECT min({store.time}), max({store.time}) FROM {store.table} WHERE {store.where}"  # noqa: S608  (our own constants)
        )
        for name, value in zip(("First", "Last"), database.one(question), strict=False):
            if isinstance(value, int | float) and not isinstance(value, bool):
                normal = moment(value, store)
                yield fact(f"{group}:{name}", str(value), f"{source} {store.time}", normal)
    yield from _people(database, store, source)


def moment(value: float, store: Store) -> Normal | None:
    """Return the time that a number of an application means; None: it can be none."""
    units = store.units
    if not units:  # iOS 11 went over from seconds to nanoseconds
        units = 1_000_000_000 if abs(value) > 10**12 else 1
    if isinstance(value, float):
        if not abs(value) < 1e15:
            return None
        return since(store.epoch, int(value * 1000), per_second=1000 * units)
    return since(store.epoch, value, per_second=units)


def _people(database: Database, store: Store, source: str) -> Iterator[Item]:
    seen: set[tuple[object, ...]] = set()
    for question in store.people:
        try:
            seen.update(database.rows(question))
        except Unreadable:  # a column that this version of the application does not have
            continue
    rows = sorted((row for row in seen if row[-1] not in {None, ""}), key=str)
    name = "Account" if store.what == "Accounts" else "Participant"
    if rows:
        yield Fact(f"{store.what}:{name}s", str(len(rows)), str(len(rows)), source)
    for row in rows[:MOST_PARTICIPANTS]:
        value = str(row[-1])
        normal = _identity(store.service, value)
        if store.what == "Accounts":
            normal = ids.account(str(row[0])[:80], value)
        yield fact(f"{store.what}:{name}", value, source, normal)
    if len(rows) > MOST_PARTICIPANTS:
        yield Problem(f"only {MOST_PARTICIPANTS} of {len(rows)} are given", incomplete=False)


def _identity(service: str, value: str) -> Normal | None:
    if service == "whatsapp":
        return whatsapp(value)
    if service:
        name, _, kind = service.partition(":")
        return ids.account(name, value, kind=kind or "name")
    make: tuple[Callable[[str], Normal | None], ...] = (ids.address, ids.telephone)
    return next((found for found in (each(value) for each in make) if found), None)


def whatsapp(identifier: str) -> Normal | None:
    """Return whom an identifier of WhatsApp names: a number, else an account or group.

    >>> whatsapp("380441234567@s.whatsapp.net").value
    'tel:+380441234567'
    """
    name, _, domain = identifier.partition("@")
    if domain == "s.whatsapp.net" and name.isdecimal():
        return ids.telephone(f"+{name}")
    return ids.account("whatsapp", identifier, kind="id")
