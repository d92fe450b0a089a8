-- What the service may do in its database, and nothing else. Run by the owner of the tables, after
-- `evidence init` and after every upgrade:   psql -d evidence -f postgresql-roles.sql
-- Before that, once, as an administrator:    CREATE ROLE evidence_service LOGIN PASSWORD '…';
-- The service then runs with database_url = postgresql+psycopg://evidence_service@host/evidence;
-- `init` and upgrades run with the owner's.

REVOKE ALL ON SCHEMA public FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC, evidence_service;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO evidence_service;

-- The custody ledger: entries are added and read, never changed.
GRANT SELECT, INSERT ON
    entry, entry_exhibit, tile, head, cosignature, timestamp_token, evidence_record, opening,
    key_event, published
TO evidence_service;

-- Keys: their destruction is what they are kept apart for.
GRANT SELECT, INSERT, DELETE ON opening_key TO evidence_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON data_key TO evidence_service;  -- wrapped anew by a later key

-- Bytes on their way in, grants, who is at work, what was asked twice: their rows end with them.
GRANT SELECT, INSERT, DELETE ON piece, letter_piece TO evidence_service;

-- Tokens of matching, and the keys they are made under: made anew, and gone with what they are of.
GRANT SELECT, INSERT, DELETE ON match_token, match_item, match_key, related_token, related_value
TO evidence_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON match_state TO evidence_service;
-- Words of search: made anew, and gone with what they are of.
GRANT SELECT, INSERT, UPDATE, DELETE ON search_exhibit TO evidence_service;
GRANT SELECT, INSERT ON consent_subject, annotation, annotation_version TO evidence_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON machine, setback, request_key, case_grant, announced,
    ceremony, identity_link, association TO evidence_service;

-- How things are now: rows change, none is deleted.
GRANT SELECT, INSERT, UPDATE ON
    person, token, case_file, submission, upload, intake, exhibit, part, quarantined,
    extraction_run, derived_object, object_copy, object_check, store_trial, chore, stray, fixity_run, flow, flow_range, erasure,
    child_exhibit, organisation, marking, approval, disclosed, identity,
    web_session, passkey, person_invitation, bundle, bundle_made, transfer, counterpart, quoted, match_party, match_query, match_notice,
    situation, case_situation, hold, review, consent, derivation, working_copy, second_review, review_rule,
    mailbox, letter, privilege, disclosure_batch, numbering, number_range, external_number,
    store_move, moved_object, installed, wrapping_key, rewrapped
TO evidence_service;

GRANT SELECT ON alembic_version TO evidence_service;

-- The progress of background work: a schema of DBOS alone, made by `evidence init`. Nothing in it is
-- evidence or record; without it workers begin again with what waits in the tables above.
GRANT USAGE ON SCHEMA dbos TO evidence_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA dbos TO evidence_service;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA dbos TO evidence_service;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA dbos FROM PUBLIC;
