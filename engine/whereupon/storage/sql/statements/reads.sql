-- What deciding a batch loads.
--
-- Parameters are written :so. A list of them is written = ANY(:so) or <> ALL(:so), and table.* stands for
-- the columns of the table; each dialect rewrites these. Conditions of partial indexes are written out,
-- or a database would not use them.

-- part: state
    (SELECT value FROM whereupon_meta WHERE name = :process),
    EXISTS (SELECT 1 FROM whereupon_erased),
    EXISTS (SELECT 1 FROM whereupon_claiming),
    EXISTS (SELECT 1 FROM whereupon_tombstone),
    EXISTS (SELECT 1 FROM whereupon_pause WHERE sweep IS NULL),
    EXISTS (SELECT 1 FROM whereupon_suppressed)

-- name: state
-- How far the row of a process is, and whether there is any of what is rare (see `StoreState`).
SELECT {state}

-- name: process
SELECT value FROM whereupon_meta WHERE name = :process

-- name: erased_among
SELECT digest FROM whereupon_erased WHERE digest = ANY(:digests)

-- name: twins
-- A stub names nobody; its request does.
SELECT
    message.message_id, name.type, name.name,
    coalesce(message.user_id, request.person), message.anonymous_id
FROM whereupon_message AS message
JOIN whereupon_name AS name ON name.id = message.name_id
LEFT JOIN whereupon_request AS request ON request.message_id = message.message_id
WHERE message.message_id = ANY(:ids)

-- part: message
-- What is read of a message, in this order (see `rows.messages_from`); a column costs more than to find the row.
whereupon_message."key", whereupon_message.message_id, whereupon_message.owner, whereupon_message.user_id,
whereupon_message.anonymous_id, whereupon_message.target_id, whereupon_message.timestamp,
whereupon_message.received_at, whereupon_message.original_timestamp, whereupon_message.source,
whereupon_message.depth, whereupon_message.body, whereupon_name.type, whereupon_name.name

-- name: messages
SELECT {message}
FROM whereupon_message
JOIN whereupon_name ON whereupon_name.id = whereupon_message.name_id
WHERE whereupon_message.key = ANY(:keys)

-- part: skipped
-- What a message skipped: the rule list that its row names, and its record of skips.
message.key, message.owner, message.received_at, list.revision, list.kind,
met.decided_at, met.retroactive, met.verdicts

-- part: skipped_list
-- Unless that is gone.
LEFT JOIN whereupon_skipped_list AS list
    ON list.id = message.skipped_list AND NOT EXISTS (
        SELECT 1 FROM whereupon_meta AS gone
        WHERE gone.name = 'gone_skips' AND gone.value > message.received_at
    )

-- part: has_skipped
(met.message_key IS NOT NULL OR list.id IS NOT NULL)

-- name: every_skips
SELECT {skipped}
FROM whereupon_message AS message
LEFT JOIN whereupon_skips AS met ON met.message_key = message.key
{skipped_list}
WHERE {has_skipped}

-- name: skips_of
-- Behind the timestamp of each message, newest first.
SELECT message.timestamp, {skipped}
FROM whereupon_message AS message
{record_of_skips}
{skipped_list}
WHERE message.owner = :person AND {has_skipped}
ORDER BY message.timestamp DESC, message.key DESC

-- name: skips_on
-- For these messages; the plus keeps databases from going through all messages of the person instead.
SELECT {skipped}
FROM whereupon_message AS message
{record_of_skips}
{skipped_list}
WHERE message.key = ANY(:keys) AND message.owner + 0 = :person AND {has_skipped}
ORDER BY message.key

-- name: skipped_list_id
SELECT id FROM whereupon_skipped_list WHERE revision = :type AND kind = :name

-- name: names_beginning
-- The numbers of events whose names begin with the first, up to the last.
SELECT id FROM whereupon_name WHERE name >= :first AND name <= :last AND type = 'track'

-- part: owned
-- Messages of these owners, with their names.
FROM whereupon_message
JOIN whereupon_name ON whereupon_name.id = whereupon_message.name_id
    AND whereupon_message.owner = ANY(:keys) AND whereupon_message.timestamp >= :since

-- name: owned_messages
SELECT {message}
{owned}
ORDER BY whereupon_message.timestamp, whereupon_message.key

-- name: some_owned_messages
SELECT {message}
{owned}
LIMIT :limit

-- name: live_messages
-- Without inert ones: by their name, or by their name and age.
SELECT {message}
{owned}
WHERE whereupon_message.name_id <> ALL(:names)
    AND (whereupon_message.name_id <> ALL(:aged) OR whereupon_message.timestamp >= :before)
LIMIT :limit

-- name: owned_counts
SELECT message.owner, name.type, name.name, count(*)
FROM whereupon_message AS message
JOIN whereupon_name AS name ON name.id = message.name_id
WHERE message.owner = ANY(:keys) AND message.timestamp BETWEEN :since AND :until
    AND message.name_id <> ALL(:names)
    AND (message.name_id <> ALL(:aged) OR message.timestamp >= :before)
GROUP BY message.owner, name.type, name.name

-- name: waiting_messages
-- The index finds the timestamps; the last condition is about messages of the same instant.
SELECT {message}
FROM whereupon_message
JOIN whereupon_name ON whereupon_name.id = whereupon_message.name_id
WHERE whereupon_message.owner = :owner
    AND whereupon_message.timestamp >= :timestamp AND whereupon_message.timestamp <= :until
    AND (whereupon_message.timestamp > :timestamp OR whereupon_message.key > :key)
ORDER BY whereupon_message.timestamp, whereupon_message.key
LIMIT :limit

-- name: name_id
SELECT id FROM whereupon_name WHERE name = :name AND type = :type

-- part: known_users
SELECT
    whereupon_identifier.value, whereupon_identifier.key, whereupon_person.user_id, whereupon_person.created_at,
    whereupon_person.attributes, whereupon_person.stamps,
    EXISTS (
        SELECT 1 FROM whereupon_entry
        WHERE person_key = whereupon_identifier.key AND state IN ('active', 'paused')
    )
FROM whereupon_identifier
LEFT JOIN whereupon_person ON whereupon_person.key = whereupon_identifier.key
WHERE whereupon_identifier.value = ANY(:ids) AND whereupon_identifier.kind = 'user'

-- name: known_users
-- Where there is one writer at a time. Users with their persons, and whether these are inside a rule: of most
-- persons, that is all that a batch asks.
{known_users}

-- name: identifiers_of
SELECT whereupon_identifier.* FROM whereupon_identifier
WHERE kind = 'user' AND key = ANY(:keys)
UNION ALL
SELECT whereupon_identifier.* FROM whereupon_identifier
WHERE kind = 'anonymous' AND key IN (
    SELECT anonymous_key FROM whereupon_claim WHERE person_key = ANY(:keys)
)

-- name: persons
SELECT whereupon_person.* FROM whereupon_person WHERE key = ANY(:keys)

-- name: claims
SELECT whereupon_claim.* FROM whereupon_claim
WHERE anonymous_key = ANY(:keys)
ORDER BY since, anonymous_key

-- name: claim_jobs
SELECT whereupon_claiming.* FROM whereupon_claiming
WHERE person_key = ANY(:persons) OR anonymous_key = ANY(:keys)
ORDER BY anonymous_key

-- name: tombstones
SELECT whereupon_tombstone.* FROM whereupon_tombstone WHERE digest = ANY(:digests)

-- name: tombstones_laid_with
SELECT whereupon_tombstone.* FROM whereupon_tombstone
WHERE "of" IN (SELECT "of" FROM whereupon_tombstone WHERE digest = ANY(:digests))

-- name: past_entries
SELECT rule, person_key, timestamp, slot, state, occasion FROM whereupon_entry
WHERE person_key = ANY(:keys) AND rule = ANY(:rules) AND timestamp >= :since

-- name: past_entries_asked
-- Without those that do not matter, as KeysAsked.concerns says.
SELECT rule, person_key, timestamp, slot, state, occasion FROM whereupon_entry
WHERE person_key = ANY(:keys) AND rule = ANY(:rules) AND timestamp >= :since
    AND (
        rule <> ALL(:keyed)
        OR slot = ANY(:slots)
        OR substr(slot, 1, 4) = 'key:' AND (
            substr(slot, 5, 1) <> '"'
            OR replace(slot, '\', '') <> slot
            OR substr(slot, 6, 1) = ANY(:edges)
            OR substr(slot, length(slot) - 1, 1) = ANY(:edges)
        )
    )

-- name: entries_since
SELECT rule, person_key, timestamp, slot, state, occasion FROM whereupon_entry
WHERE person_key = ANY(:keys) AND timestamp >= :since

-- name: entries_since_asked
SELECT rule, person_key, timestamp, slot, state, occasion FROM whereupon_entry
WHERE person_key = ANY(:keys) AND timestamp >= :since
    AND (
        rule <> ALL(:keyed)
        OR slot = ANY(:slots)
        OR substr(slot, 1, 4) = 'key:' AND (
            substr(slot, 5, 1) <> '"'
            OR replace(slot, '\', '') <> slot
            OR substr(slot, 6, 1) = ANY(:edges)
            OR substr(slot, length(slot) - 1, 1) = ANY(:edges)
        )
    )

-- name: active_entries
SELECT whereupon_entry.* FROM whereupon_entry
WHERE person_key = ANY(:keys) AND state IN ('active', 'paused')

-- name: ended_entries
SELECT whereupon_entry.* FROM whereupon_entry
WHERE person_key = ANY(:keys) AND rule = ANY(:rules) AND ended_at > :since
ORDER BY key

-- name: watched_entries
SELECT whereupon_entry.* FROM whereupon_entry
WHERE person_key = ANY(:keys) AND watched_until IS NOT NULL AND watched_until >= :since
    AND state NOT IN ('active', 'paused')

-- name: watched_versions
-- From each digest to the next by the index, however many entries are between.
WITH RECURSIVE version (digest) AS (
    SELECT min(digest) FROM whereupon_entry WHERE watched_until IS NOT NULL
    UNION ALL
    SELECT (
        SELECT min(entry.digest) FROM whereupon_entry AS entry
        WHERE entry.watched_until IS NOT NULL AND entry.digest > version.digest
    )
    FROM version
    WHERE version.digest IS NOT NULL
)
SELECT digest FROM version WHERE digest IS NOT NULL

-- name: entries
SELECT whereupon_entry.* FROM whereupon_entry WHERE key = ANY(:keys)

-- name: open_skips
SELECT whereupon_open_skip.* FROM whereupon_open_skip
WHERE person_key = ANY(:keys) AND until >= :since
ORDER BY message_key, rule

-- name: timers
SELECT whereupon_timer.* FROM whereupon_timer
WHERE person_key = ANY(:keys) AND due_at <= :until
ORDER BY due_at, person_key, subject

-- name: rule_pauses
SELECT whereupon_pause.* FROM whereupon_pause WHERE sweep IS NULL ORDER BY rule

-- name: resumed_rules
SELECT whereupon_pause.* FROM whereupon_pause WHERE sweep IS NOT NULL ORDER BY rule

-- name: deliveries_by_key
SELECT whereupon_delivery.* FROM whereupon_delivery WHERE idempotency_key = ANY(:keys)

-- name: counted_sends
-- Of marketing, which has no kind.
SELECT idempotency_key, person_key, channel, due_at, state, leased FROM whereupon_delivery
WHERE person_key = ANY(:keys) AND due_at > :since AND kind IS NULL
    AND (state IN ('pending', 'held', 'paused', 'sent') OR state = 'withheld' AND leased = 1)

-- name: suppressed
SELECT whereupon_suppressed.* FROM whereupon_suppressed
WHERE channel = :channel AND digest = ANY(:digests)
ORDER BY since, digest
LIMIT 1

-- name: suppressed_among
SELECT digest FROM whereupon_suppressed WHERE channel = :channel AND digest = ANY(:digests)

-- name: has_run
SELECT depth FROM whereupon_run WHERE rule = :rule AND occasion = :occasion

-- name: run
SELECT whereupon_run.* FROM whereupon_run WHERE rule = :rule AND occasion = :occasion

-- name: kept_versions
SELECT digest FROM whereupon_wording WHERE digest = ANY(:digests)

-- name: rule_version
SELECT source FROM whereupon_wording WHERE digest = :digest

-- name: mark
SELECT value FROM whereupon_meta WHERE name = :name
