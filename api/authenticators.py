"""WebAuthn: what a browser asks of an authenticator, and whether the answer holds.

The authenticator must have verified its person (PIN, finger, face). No maker vouches for it
(attestation `none`): who registers it was invited.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from webauthn import (
    base64url_to_bytes,
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import bytes_to_base64url
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from api.place import Place
from repository.models import Person
from repository.passkeys import NewKey

NAME = "Central Evidence Repository"
# What the checks raise where an answer is no answer at all.
_UNREADABLE = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError)


class NotProved(Exception):
    """An authenticator's answer does not hold."""


def to_register(place: Place, person: Person, have: Sequence[str]) -> tuple[dict[str, Any], str]:
    """Return what a browser asks to make a passkey, and the challenge in it."""
    options = generate_registration_options(
        rp_id=place.host,
        rp_name=NAME,
        user_id=person.id.encode(),
        user_name=person.name,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[
            PublicKeyCredentialDescriptor(id=base64url_to_bytes(one)) for one in have
        ],
    )
    return json.loads(options_to_json(options)), bytes_to_base64url(options.challenge)


def to_sign_in(place: Place) -> tuple[dict[str, Any], str]:
    """Return what a browser asks to use a passkey, and the challenge in it."""
    options = generate_authentication_options(
        rp_id=place.host, user_verification=UserVerificationRequirement.REQUIRED
    )
    return json.loads(options_to_json(options)), bytes_to_base64url(options.challenge)


def registered(place: Place, credential: Mapping[str, Any], challenge: str, label: str) -> NewKey:
    """Return the passkey that was made for this challenge, on a page of ours.

    Raises:
        NotProved: another challenge, origin or service, nobody verified, or no answer at all.
    """
    try:
        found = verify_registration_response(
            credential=dict(credential),
            expected_challenge=base64url_to_bytes(challenge),
            expected_rp_id=place.host,
            expected_origin=place.origin,
            require_user_verification=True,
        )
    except (WebAuthnException, *_UNREADABLE) as error:
        raise NotProved(str(error)) from error
    return NewKey(
        bytes_to_base64url(found.credential_id),
        found.credential_public_key,
        found.sign_count,
        label,
    )


def used(place: Place, credential: Mapping[str, Any], challenge: str, public_key: bytes) -> int:
    """Return the counter of a passkey that was used for this challenge, on a page of ours.

    Whether the counter rose is for the caller to see, under a lock.

    Raises:
        NotProved: another key, challenge, origin or service, nobody verified, or no answer at all.
    """
    try:
        found = verify_authentication_response(
            credential=dict(credential),
            expected_challenge=base64url_to_bytes(challenge),
            expected_rp_id=place.host,
            expected_origin=place.origin,
            credential_public_key=public_key,
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    except (WebAuthnException, *_UNREADABLE) as error:
        raise NotProved(str(error)) from error
    return found.new_sign_count
