"""Exported chats: WhatsApp, Telegram, SMS: counted, dated as far as the file itself tells."""

import io
import json
import random

import pytest

from ingest.extraction import Fact, Format, Found, Problem
from ingest.extractors import chat_sms, chat_telegram, chat_telegram_html, chat_whatsapp
from ingest.normalise.written import AMBIGUOUS
from ingest.readers import jsons
from ingest.readers.members import Budget, Unreadable
from ingest.readers.peek import Peek
from tests.make_archives import zipped


def names(extractor, content):
    peek = Peek(io.BytesIO(content), "text/plain")
    return tuple(name for name, test in extractor.CONTAINERS.items() if test(peek))


def read(extractor, content):
    what = Format("text/plain", "", "", False, "single", (), None, names(extractor, content))
    return list(extractor.extract(io.BytesIO(content), Found(what)))


def facts(items):
    return {item.name: item for item in items if isinstance(item, Fact)}


def people(items):
    return [i.value for i in items if isinstance(i, Fact) and i.name == "Messages:Participant"]


def problems(items):
    return [item.reason for item in items if isinstance(item, Problem)]


def test_a_chat_of_ios_is_counted_and_its_order_of_dates_told_by_itself():
    items = read(chat_whatsapp, chat_whatsapp.SAMPLE)
    said = facts(items)
    assert said["Messages:Count"].value == "3"
    assert (said["Messages:WithMedia"].value, said["Messages:MissingMedia"].value) == ("2", "1")
    assert said["Messages:First"].value == "2024-05-14T16:49:42"
    assert said["Messages:First"].tz == "unknown"
    assert said["Messages:DateOrder"].value == "day first"
    assert people(items) == ["Оксана", "tel:+380441234567"]


def test_a_chat_whose_dates_mean_two_things_keeps_them_as_they_are():
    text = b"05/06/2024, 16:49 - Oksana: a\n06/06/2024, 07:00 - Petro: b\n"
    said = facts(read(chat_whatsapp, text))
    first = said["Messages:First"]
    assert (first.value, first.raw, first.suspect) == (
        "05/06/2024, 16:49", "05/06/2024, 16:49", AMBIGUOUS,
    )  # fmt: skip
    assert first.kind is None
    assert said["Messages:DateOrder"].value == "unknown"


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("12/31/23, 4:49 PM - A: x", "2023-12-31T16:49:00"),
        ("[31.12.2023, 16:49:42] A: x", "2023-12-31T16:49:42"),
        ("[2023-12-31, 16:49:42] A: x", "2023-12-31T16:49:42"),
        ("31/12/2023, 4:49\u202fpm - A: x", "2023-12-31T16:49:00"),
        ("\u200e[31/12/2023, 04:49:42] A: \u200eimage omitted", "2023-12-31T04:49:42"),
        ("٣١\u200f/١٢\u200f/٢٠٢٣، ٤:٤٩ م - أحمد: مرحبا", "2023-12-31T16:49:00"),
        ("[۳۱/۱۲/۲۰۲۳, ۱۶:۴۹:۴۲] A: x", "2023-12-31T16:49:42"),
    ],
)
def test_the_ways_of_telephones_to_write_a_time_are_read(line, value):
    assert facts(read(chat_whatsapp, line.encode()))["Messages:First"].value == value


def test_notices_of_the_application_are_no_messages_and_lines_without_a_time_belong_to_the_last():
    text = (
        "14/05/2024, 16:49 - Messages and calls are end-to-end encrypted.\n"
        "14/05/2024, 16:50 - A: one\ntwo\nthree: four\n"
    )
    items = read(chat_whatsapp, text.encode())
    assert facts(items)["Messages:Count"].value == "1"
    assert people(items) == ["A"]


def test_the_chat_inside_an_exported_zip_is_read():
    content = zipped([("_chat.txt", chat_whatsapp.SAMPLE), ("00000002-PHOTO.jpg", b"\xff\xd8")])
    assert names(chat_whatsapp, content) == ("whatsapp-chat-zip",)
    assert facts(read(chat_whatsapp, content))["Messages:Count"].value == "3"


@pytest.mark.parametrize(
    "text", [b"", b"hello\nworld\n", b"2024-05-01 log: started\nINFO: x\n", b"a,b\n1,2\n"]
)
def test_other_texts_are_no_chats(text):
    assert names(chat_whatsapp, text) == ()


def test_a_telegram_chat_is_counted_by_id_and_utc():
    items = read(chat_telegram, chat_telegram.SAMPLE)
    said = facts(items)
    assert said["Messages:Count"].value == "2"
    assert said["Messages:First"].value == "2024-05-01T07:30:00Z"
    assert said["Telegram:ChatName"].value == "Krynytsia"
    assert people(items) == ["telegram:id:user77", "telegram:id:user78"]
    assert "hello" not in repr([i for i in items if i != said.get("x")])


def whole_export(count=3):
    messages = [
        {
            "id": n, "type": "message", "date": f"2024-05-01T10:{n % 60:02}:00",
            "from_id": f"user{n % 5}", "text": "secret words " * 20, "file": MISSING,
        }
        for n in range(count)
    ]  # fmt: skip
    chats = [
        {"name": name, "type": "personal_chat", "id": n, "messages": messages}
        for n, name in enumerate("AB")
    ]
    owner = {"user_id": 42, "phone_number": "+380441234567", "username": "@oks"}
    return json.dumps(
        {
            "about": "Here is the data you requested. Telegram",
            "personal_information": owner,
            "contacts": {"about": "", "list": [{"first_name": "P", "phone_number": "1"}]},
            "chats": {"list": chats},
        }
    ).encode()


MISSING = "(File not included. Change data exporting settings to download.)"


def test_a_whole_account_of_telegram_says_who_exported_it_and_what_is_missing():
    items = read(chat_telegram, whole_export())
    said = facts(items)
    assert said["Telegram:AccountId"].value == "telegram:id:user42"
    assert said["Telegram:PhoneNumber"].value == "tel:+380441234567"
    assert (said["Messages:Count"].value, said["Messages:Conversations"].value) == ("6", "2")
    assert said["Messages:MissingMedia"].value == "6"
    assert (said["Messages:First"].value, said["Messages:First"].tz) == (
        "2024-05-01T10:00:00",
        "unknown",
    )


def test_a_long_export_is_streamed_and_one_cut_off_gives_what_there_was():
    content = whole_export(3000)
    assert facts(read(chat_telegram, content))["Messages:Count"].value == "6000"
    items = read(chat_telegram, content[: len(content) // 2])
    assert int(facts(items)["Messages:Count"].value) > 2000
    assert any("not read to its end" in reason for reason in problems(items))


def test_streamed_json_equals_json_read_whole():
    chance = random.Random(3)

    def make(depth):
        kind = chance.randrange(6 if depth else 4)
        return [
            lambda: chance.randrange(-(10**9), 10**9), lambda: "ж\\\"\n" * chance.randrange(4),
            lambda: chance.choice([None, True, False]), lambda: chance.random() * 1e10,
            lambda: [make(depth - 1) for _ in range(chance.randrange(5))],
            lambda: {str(n): make(depth - 1) for n in range(chance.randrange(5))},
        ][kind]()  # fmt: skip

    def flat(value, path=()):
        if isinstance(value, dict | list):
            pairs = value.items() if isinstance(value, dict) else enumerate(value)
            return [leaf for key, each in pairs for leaf in flat(each, (*path, key))]
        return [(path, value)]

    for _ in range(50):
        value = {"a": make(4), "b": [make(3)]}
        data = json.dumps(value).encode()
        for size in (1, 7, 4096):
            blocks = iter([data[n : n + size] for n in range(0, len(data), size)])
            assert list(jsons.walk(blocks, Budget(), lambda _: False)) == flat(value)


@pytest.mark.parametrize(
    "text", [b"[" * 100_000, b'{"a":', b'{"a" 1}', b"[1,,2]", b'{"a":"b', b"nul"]
)
def test_json_that_is_damaged_or_too_deep_is_one_error(text):
    with pytest.raises(Unreadable):
        list(jsons.walk(iter([text]), Budget(), lambda _: False))


def test_an_sms_backup_is_counted_and_a_count_that_lies_is_marked():
    items = read(chat_sms, chat_sms.SAMPLE)
    said = facts(items)
    assert said["Messages:Count"].value == "2"
    assert said["Messages:Last"].value == "2024-05-01T07:46:40.500Z"
    assert said["Messages:WithMedia"].value == "1"
    assert people(items) == ["tel:+380441234567", "tel:+380447654321"]
    lied = facts(read(chat_sms, chat_sms.SAMPLE.replace(b'count="2"', b'count="20"')))
    assert lied["Messages:DeclaredCount"].suspect


def test_an_sms_backup_with_entities_or_cut_off_gives_what_there_was():
    cut = read(chat_sms, chat_sms.SAMPLE[:290])
    assert facts(cut)["Messages:Count"].value == "1"
    assert problems(cut)
    bomb = chat_sms.SAMPLE.replace(b"<smses", b'<!DOCTYPE s [<!ENTITY a "b">]><smses')
    assert any("document type" in reason for reason in problems(read(chat_sms, bomb)))


# --- Telegram's pages ---


def test_a_telegram_page_is_counted_and_dated_with_its_zone_and_joined_messages_too():
    items = read(chat_telegram_html, chat_telegram_html.SAMPLE)
    said = facts(items)
    assert names(chat_telegram_html, chat_telegram_html.SAMPLE) == ("telegram-html",)
    assert said["Telegram:ChatName"].value == "Krynytsia"
    assert said["Messages:Count"].value == "2"  # what only says a day is none
    assert said["Messages:WithMedia"].value == "1"
    assert said["Messages:MissingMedia"].value == "1"
    assert said["Messages:First"].value == "2024-05-01T10:30:00+03:00"
    assert said["Messages:First"].raw == "01.05.2024 10:30:00 UTC+03:00"
    assert [i.raw for i in items if i.name == "Messages:Participant"] == ["Oksana & Ivan"]
    assert "hello" not in str(items)


def test_older_pages_state_no_zone_and_none_is_guessed():
    older = chat_telegram_html.SAMPLE.replace(b" UTC+03:00", b"")
    first = facts(read(chat_telegram_html, older))["Messages:First"]
    assert (first.value, first.tz) == ("2024-05-01T10:30:00", "unknown")


def test_who_is_only_quoted_is_no_participant_and_their_time_is_none_of_the_chat():
    quoted = chat_telegram_html.SAMPLE.replace(
        b'<div class="text">hello</div>',
        b'<div class="forwarded body">\n<div class="from_name">\nStranger\n'
        b'<div class="pull_right date details" title="01.01.1999 00:00:00 UTC+03:00">x</div>',
    )
    items = read(chat_telegram_html, quoted)
    assert facts(items)["Messages:First"].value.startswith("2024")
    assert "Stranger" not in str(items)


def test_all_pages_of_an_archive_are_one_export():
    page = chat_telegram_html.SAMPLE
    whole = zipped(
        [("e/messages.html", page), ("e/messages2.html", page), ("e/files/other.html", page)]
    )
    said = facts(read(chat_telegram_html, whole))
    assert said["Messages:Count"].value == "4"
    assert said["Messages:Conversations"].value == "1"


def test_a_telegram_page_cut_or_changed_anywhere_gives_items_and_no_exception():
    page, chance = chat_telegram_html.SAMPLE, random.Random(7)
    for length in range(0, len(page), 29):
        read(chat_telegram_html, page[:length])
        changed = bytearray(page)
        changed[chance.randrange(600, len(page))] = chance.randrange(256)
        read(chat_telegram_html, bytes(changed))
    endless = page.replace(b"hello", b"x" * 5_000_000)
    assert facts(read(chat_telegram_html, endless))["Messages:Count"].value == "2"
