"""Exports of accounts: whose, how much, from when to when; never what was said."""

import io
import json

import pytest

from ingest.extraction import Fact, Format, Found, Problem
from ingest.extractors import account_export
from ingest.readers.peek import Peek
from tests.make_archives import tarred, zipped


def js(name, value):
    return f"window.YTD.{name}.part0 = {json.dumps(value)}".encode()


X = [
    ("data/account.js", js("account", [{"account": {
        "email": "f@example.org", "username": "Field", "accountId": "77",
        "createdAt": "2015-03-01T10:00:00.000Z", "phoneNumber": "+380441234567"}}])),
    ("data/manifest.js", b"window.__THAR_CONFIG = " + json.dumps({"archiveInfo": {
        "generationDate": "2024-05-01T07:30:00.000Z", "isPartialArchive": False}}).encode()),
    ("data/tweets.js", js("tweets", [
        {"tweet": {"id_str": "1", "created_at": "Wed May 01 07:30:00 +0000 2024",
                   "full_text": "secret words"}},
        {"tweet": {"id_str": "2", "created_at": "Thu May 02 07:30:00 +0000 2024"}}])),
    ("data/direct-messages.js", js("direct_messages", [{"dmConversation": {"messages": [
        {"messageCreate": {"senderId": "78", "createdAt": "2024-05-01T08:00:00.000Z"}}]}}])),
]  # fmt: skip
MOJIBAKE = "Оксана".encode().decode("latin-1")
FACEBOOK = [
    ("personal_information/profile_information/profile_information.json", json.dumps(
        {"profile_v2": {"name": {"full_name": MOJIBAKE}, "emails": {"emails": ["o@example.org"]},
                        "phone_numbers": [{"phone_number": "+380441234567"}], "username": "oks",
                        "registration_timestamp": 1300000000}}).encode()),
    ("your_facebook_activity/messages/inbox/a_1/message_1.json", json.dumps(
        {"participants": [{"name": MOJIBAKE}], "messages": [
            {"sender_name": MOJIBAKE, "timestamp_ms": 1714548600000, "content": "secret words"},
            {"sender_name": "P", "timestamp_ms": 1714549600000}]}).encode()),
    ("your_facebook_activity/posts/your_posts__check_ins_1.json", json.dumps(
        [{"timestamp": 1714548600, "data": [{"post": "secret words"}]}]).encode()),
]  # fmt: skip
INSTAGRAM = [
    ("personal_information/personal_information/personal_information.json", json.dumps(
        {"profile_user": [{"string_map_data": {
            "Email": {"value": "i@example.org"}, "Username": {"value": "Oks"},
            "Phone Number": {"value": "+380441234567"},
            "Bio": {"value": "secret words"}}}]}).encode()),
    ("your_instagram_activity/media/posts_1.json", json.dumps(
        [{"media": [{"uri": "a.jpg", "creation_timestamp": 1714548600}]}]).encode()),
]  # fmt: skip
TIKTOK = [("user_data_tiktok.json", json.dumps(
    {"Profile": {"Profile Info": {"ProfileMap": {
        "userName": "oks", "emailAddress": "t@example.org"}}},
     "Video": {"Videos": {"VideoList": [{"Date": "2024-05-01 07:30:00", "Link": "https://x"}]}},
     "Direct Messages": {"Direct Messages": {"ChatHistory": {"Chat History with petro:": [
         {"Date": "2024-05-01 08:00:00", "From": "petro", "Content": "secret words"}]}}}}
).encode())]  # fmt: skip
GOOGLE = [
    ("Takeout/Profile/Profile.json", json.dumps(
        {"name": {"fullName": "Oksana"}, "emails": [{"value": "g@example.org"}]}).encode()),
    ("Takeout/YouTube and YouTube Music/history/watch-history.json", json.dumps(
        [{"header": "YouTube", "title": "secret words",
          "time": "2024-05-01T07:30:00.000Z"}]).encode()),
    ("Takeout/YouTube and YouTube Music/channels/channel.csv",
     b"Channel ID,Channel Title\nUC0123456789abcdefghijkl,Field\n"),
]  # fmt: skip


def read(content):
    what = Format("application/zip", "", "", False, "single", ())
    return list(account_export.extract(io.BytesIO(content), Found(what)))


def facts(items):
    return {item.name: item.value for item in items if isinstance(item, Fact)}


@pytest.mark.parametrize("pack", [zipped, lambda pairs: tarred(pairs, "w:gz")])
@pytest.mark.parametrize(
    ("members", "expected"),
    [
        (X, {"Account:Service": "x", "Account:AccountId": "x:id:77", "Account:Posts": "2",
             "Account:Username": "x:name:field", "Account:Email": "f@example.org",
             "Account:PostsFirst": "2024-05-01T07:30:00+00:00", "Account:Messages": "1",
             "Account:PhoneNumber": "tel:+380441234567",
             "Account:GenerationDate": "2024-05-01T07:30:00.000Z"}),
        (FACEBOOK, {"Account:Service": "facebook", "Account:FullName": "Оксана",
                    "Account:Email": "o@example.org", "Account:Messages": "2",
                    "Account:MessagesFirst": "2024-05-01T07:30:00.000Z", "Account:Posts": "1",
                    "Account:Username": "facebook:name:oks"}),
        (INSTAGRAM, {"Account:Service": "instagram", "Account:Email": "i@example.org",
                     "Account:Username": "instagram:name:oks", "Account:Posts": "1",
                     "Account:PostsFirst": "2024-05-01T07:30:00Z"}),
        (TIKTOK, {"Account:Service": "tiktok", "Account:UserName": "tiktok:name:oks",
                  "Account:Posts": "1", "Account:Messages": "1",
                  "Account:PostsFirst": "2024-05-01T07:30:00"}),
        (GOOGLE, {"Account:Service": "google", "Account:FullName": "Oksana", "Account:Views": "1",
                  "Account:Email": "g@example.org",
                  "Account:Channel": "youtube:id:UC0123456789abcdefghijkl"}),
    ],
    ids=["x", "facebook", "instagram", "tiktok", "google"],
)  # fmt: skip
def test_an_export_says_whose_it_is_and_how_much_it_holds(members, expected, pack):
    content = pack(members)
    peek = Peek(io.BytesIO(content), "application/zip")
    assert account_export.CONTAINERS["account-export"](peek)
    items = read(content)
    said = facts(items)
    assert {name: said.get(name) for name in expected} == expected
    assert "secret words" not in repr(items)
    assert not [item for item in items if isinstance(item, Problem)]


def test_a_part_that_cannot_be_read_is_a_problem_and_the_others_are_read():
    broken = [(name, b"{" if "posts" in name else content) for name, content in FACEBOOK]
    items = read(zipped(broken))
    assert facts(items)["Account:Messages"] == "2"
    assert [item.reason for item in items if isinstance(item, Problem)]


@pytest.mark.parametrize(
    "value", [b"[]", b"{}", b"null", b"1", b'[1, null, "a"]', b'{"a": [{}]}', b""]
)
def test_parts_of_another_shape_are_harmless(value):
    for members in (X, FACEBOOK, INSTAGRAM, TIKTOK, GOOGLE):
        read(
            zipped(
                [(name, b"x = " + value if name.endswith(".js") else value) for name, _ in members]
            )
        )


def test_an_ordinary_archive_is_no_export():
    content = zipped([("data/a.js", b""), ("posts_1.json", b"[]")])
    peek = Peek(io.BytesIO(content), "application/zip")
    assert not account_export.CONTAINERS["account-export"](peek)
