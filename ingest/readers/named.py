"""Facts of the key-value lists that forensic tools write: what a key's name says its value is."""

import re

from ingest.extraction import Fact
from ingest.normalise import Normal, fact
from ingest.normalise import identifiers as ids
from ingest.normalise.written import written

_ABSENT = {"", "n/a", "na", "none", "unknown", "null", "-", "not available"}


def tag(group: str, key: str) -> str:
    """Return a fact's name for a key as a tool writes it.

    >>> tag("UFED", "Phone Activation Time")
    'UFED:PhoneActivationTime'
    """
    words = re.split(r"[^A-Za-z0-9]+", key)
    plain = "".join(word[:1].upper() + word[1:] for word in words)
    return f"{group}:{plain[:80] or 'Unnamed'}"


def named(group: str, key: str, text: str, source: str, *, called: str = "") -> Fact | None:
    """Return the fact of a key and its value; None: the tool says it has none.

    Args:
        group: of the fact's name.
        key: as the tool writes it.
        text: the value as it stands.
        source: tool and version.
        called: the fact's own name, where the key's does not do.
    """
    value = text.strip()
    if value.lower() in _ABSENT:
        return None
    normal, doubt = meaning(key, value)
    return fact(called or tag(group, key), value, f"{source} {key}"[:300], normal, suspect=doubt)


def meaning(key: str, value: str) -> tuple[Normal | None, str | None]:
    """Return what a value is, by its key's name, and why it may not be that."""
    plain = re.sub("[^a-z0-9]", "", key.lower())
    if re.search(r"imei", plain):
        return ids.imei(value), None
    if "meid" in plain:
        return ids.device("meid", value), None
    if "iccid" in plain:
        return ids.iccid(value), None
    if "imsi" in plain:
        return ids.imsi(value), None
    if re.search(r"msisdn|phonenumber|ownernumber", plain):
        return ids.telephone(value), None
    if re.search(r"(bluetooth|wifi|mac|wireless).*address|^mac$|^macaddress$", plain):
        return ids.mac(value), None
    if re.search(r"udid|uniquedeviceid|uniqueid|uniqueidentifier|targetidentifier", plain):
        return ids.device("udid", value), None
    if re.search(r"androidid$", plain):
        return ids.device("android-id", value), None
    if re.search(r"serial(no|number)?$|^serial|factorynumber|^sn$", plain):
        return ids.device("serial", value), None
    if re.search(r"appleid|email|^mail", plain):
        return ids.address(value), None
    if re.search(r"examiner|ownername|investigator|operator(name)?$|^username$", plain):
        return ids.person(value), None
    if re.search(r"md5|sha1|sha256|sha512", plain):
        return ids.digest(value), None
    if re.search(r"time|date", plain) and not re.search(r"timezone|format|update", plain):
        return written(value)
    return None, None
