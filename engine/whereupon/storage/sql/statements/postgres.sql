-- What PostgreSQL says in its own way. Rows of numbers are bound as an array of arrays.

-- name: known_messages
-- The row without an id is the state of the store.
SELECT message_id, 0, false, false, false, false, false
FROM whereupon_message
WHERE message_id = ANY(:ids)
UNION ALL
SELECT NULL, {state}

-- name: identifiers
-- The row without an id says how many erasures there were.
SELECT value, key FROM whereupon_identifier
WHERE kind = :kind AND value = ANY(:ids)
UNION ALL
SELECT NULL, value FROM whereupon_meta WHERE name = 'erasures'

-- part: owned
-- Messages of these owners, with their names. Each owner is one range of the message table's secondary index. OFFSET
-- keeps it so: as a plain condition, a server whose statistics are from before a large import may go through all
-- messages for a batch.
FROM (SELECT DISTINCT unnest(CAST(:keys AS BIGINT[]))) AS given (owner)
CROSS JOIN LATERAL (
    SELECT one.* FROM whereupon_message AS one
    WHERE one.owner = given.owner AND one.timestamp >= :since
    OFFSET 0
) AS whereupon_message
JOIN whereupon_name ON whereupon_name.id = whereupon_message.name_id

-- name: history
-- Each need is one range of the message table's secondary index. OFFSET keeps it so, as above: else a server without
-- statistics goes through all messages, and sorts them, for each batch.
SELECT
    message.owner, message.name_id, message.timestamp, message.body, message.key, message.message_id
FROM (
    SELECT given.rows[i][1] AS owner, given.rows[i][2] AS since, given.rows[i][3] AS name_id
    FROM (SELECT CAST(:needs AS BIGINT[]) AS rows) AS given, generate_subscripts(given.rows, 1) AS i
) AS need
CROSS JOIN LATERAL (
    SELECT one.owner, one.name_id, one.timestamp, one.body, one.key, one.message_id
    FROM whereupon_message AS one
    WHERE one.owner = need.owner AND one.timestamp >= need.since AND one.name_id = need.name_id
    OFFSET 0
) AS message
ORDER BY message.timestamp, message.key

-- name: last_messages
-- Each need is one range of the message table's secondary index, which is read backwards.
SELECT need.owner, last.timestamp, whereupon_name.name
FROM (
    SELECT given.rows[i][1] AS owner, given.rows[i][2] AS since
    FROM (SELECT CAST(:needs AS BIGINT[]) AS rows) AS given, generate_subscripts(given.rows, 1) AS i
) AS need
JOIN LATERAL (
    SELECT message.timestamp, message.name_id FROM whereupon_message AS message
    WHERE message.owner = need.owner AND message.timestamp >= need.since
        AND (:every = 1 OR message.name_id = ANY(:names)) AND message.depth = 0
    ORDER BY message.timestamp DESC, message.key DESC
    LIMIT 1
) AS last ON true
JOIN whereupon_name ON whereupon_name.id = last.name_id

-- name: claims_near
-- The runs of one anonymous id never overlap: few begin before a span and end in it. So a few steps along
-- the primary key find the outermost ones. The number is the first instant that there is.
SELECT whereupon_claim.*
FROM (
    SELECT given.rows[i][1] AS anonymous_key, given.rows[i][2] AS since, given.rows[i][3] AS until
    FROM (SELECT CAST(:needs AS BIGINT[]) AS rows) AS given, generate_subscripts(given.rows, 1) AS i
) AS need
JOIN whereupon_claim
    ON whereupon_claim.anonymous_key = need.anonymous_key
    AND whereupon_claim.since >= coalesce((
        SELECT other.since FROM whereupon_claim AS other
        WHERE other.anonymous_key = need.anonymous_key
            AND other.since < need.since AND other.until < need.since
        ORDER BY other.since DESC
        LIMIT 1
    ), -62135596800000000)
    AND whereupon_claim.since <= coalesce((
        SELECT other.since FROM whereupon_claim AS other
        WHERE other.anonymous_key = need.anonymous_key AND other.since > need.until
        ORDER BY other.since
        LIMIT 1
    ), need.until)
ORDER BY whereupon_claim.since, whereupon_claim.anonymous_key

-- name: due_entries_of
-- The first of each version.
SELECT whereupon_entry.* FROM whereupon_entry
WHERE key IN (
    SELECT first.key
    FROM unnest(CAST(:versions AS TEXT[])) AS member (digest)
    JOIN LATERAL (
        SELECT one.key FROM whereupon_entry AS one
        WHERE one.state = 'active' AND one.due_at <= :until
            AND one.digest = member.digest COLLATE "C"
        ORDER BY one.due_at, one.key
        LIMIT :share
    ) AS first ON true
)
ORDER BY due_at, key
LIMIT :limit

-- name: lock_due_persons_of
-- The same entries and their persons, who are locked.
SELECT found.entry, found.person
FROM (
    SELECT first.entry, first.person, first.due_at
    FROM unnest(CAST(:versions AS TEXT[])) AS member (digest)
    JOIN LATERAL (
        SELECT entry.key AS entry, person.key AS person, entry.due_at
        FROM whereupon_entry AS entry
        JOIN whereupon_person AS person ON person.key = entry.person_key
        WHERE entry.state = 'active' AND entry.due_at <= :until
            AND entry.digest = member.digest COLLATE "C"
        ORDER BY entry.due_at, entry.key
        LIMIT :share
        FOR UPDATE OF person SKIP LOCKED
    ) AS first ON true
) AS found
ORDER BY found.due_at, found.entry
LIMIT :limit

-- name: next_timers
-- The first of each subject.
SELECT member.subject, (
    SELECT min(timer.due_at) FROM whereupon_timer AS timer
    WHERE timer.subject = member.subject COLLATE "C"
)
FROM unnest(CAST(:subjects AS TEXT[])) AS member (subject)

-- name: due_timers
-- The first of each subject.
SELECT first.* FROM unnest(CAST(:subjects AS TEXT[])) AS member (subject)
JOIN LATERAL (
    SELECT whereupon_timer.* FROM whereupon_timer
    WHERE whereupon_timer.subject = member.subject COLLATE "C" AND whereupon_timer.due_at <= :until
    ORDER BY whereupon_timer.due_at, whereupon_timer.person_key
    LIMIT :limit
) AS first ON true
ORDER BY first.due_at, first.person_key, first.subject
LIMIT :limit

-- name: lock_due_timers
-- The persons of the same timers, who are locked.
SELECT found.person
FROM (
    SELECT first.person, first.due_at
    FROM unnest(CAST(:subjects AS TEXT[])) AS member (subject)
    JOIN LATERAL (
        SELECT person.key AS person, timer.due_at
        FROM whereupon_timer AS timer
        JOIN whereupon_person AS person ON person.key = timer.person_key
        WHERE timer.subject = member.subject COLLATE "C" AND timer.due_at <= :until
        ORDER BY timer.due_at, timer.person_key
        LIMIT :limit
        FOR UPDATE OF person SKIP LOCKED
    ) AS first ON true
) AS found
ORDER BY found.due_at, found.person
LIMIT :limit

-- part: record_of_skips
-- It is looked up for each message: as a join, a server whose statistics are from before a large import may go
-- through all records for each.
LEFT JOIN LATERAL (
    SELECT whereupon_skips.* FROM whereupon_skips
    WHERE whereupon_skips.message_key = message.key
    LIMIT 1
) AS met ON true

-- name: prune_entries
-- Ended entries that keep nobody out, as retention says.
DELETE FROM whereupon_entry
WHERE key IN (
    SELECT key FROM whereupon_entry
    WHERE key > :after AND key <= :until
        AND state NOT IN ('active', 'paused') AND coalesce(ended_at, entered_at) < :before
        AND coalesce(watched_until, 0) < :before
        AND (
            slot LIKE 'per:%'
            AND coalesce(
                timestamp + CAST(substring(substr(slot, 5) FROM '^[0-9]+') AS BIGINT), :unasked
            ) < :unasked
            OR coalesce(slot, 'active') = 'active'
            AND rule <> ALL(:lasting)
            AND timestamp < :unasked
        )
    ORDER BY key
    FOR UPDATE SKIP LOCKED
)

-- name: count_prunable_entries
SELECT count(*) FROM whereupon_entry
WHERE state NOT IN ('active', 'paused') AND coalesce(ended_at, entered_at) < :before
    AND coalesce(watched_until, 0) < :before
    AND (
        slot LIKE 'per:%'
        AND coalesce(
            timestamp + CAST(substring(substr(slot, 5) FROM '^[0-9]+') AS BIGINT), :unasked
        ) < :unasked
        OR coalesce(slot, 'active') = 'active'
        AND rule <> ALL(:lasting)
        AND timestamp < :unasked
    )

-- name: count_emptied
SELECT count(*) FROM whereupon_entry
WHERE state NOT IN ('active', 'paused') AND coalesce(ended_at, entered_at) < :before
    AND coalesce(watched_until, 0) < :before AND facts <> '{}'
    AND NOT (
        slot LIKE 'per:%'
        AND coalesce(
            timestamp + CAST(substring(substr(slot, 5) FROM '^[0-9]+') AS BIGINT), :unasked
        ) < :unasked
        OR coalesce(slot, 'active') = 'active'
        AND rule <> ALL(:lasting)
        AND timestamp < :unasked
    )

-- name: blank_trail
-- Each mark of an entry without the values that it saw, which stand at the sixth place.
UPDATE whereupon_entry
SET trail = (
    SELECT jsonb_agg(jsonb_set(mark, '{5}', '{}'::jsonb) ORDER BY place)::text
    FROM jsonb_array_elements(trail::jsonb) WITH ORDINALITY AS marks (mark, place)
)
WHERE key = :changed AND trail IS NOT NULL

-- name: blank_trails_of_run
UPDATE whereupon_entry
SET trail = (
    SELECT jsonb_agg(jsonb_set(mark, '{5}', '{}'::jsonb) ORDER BY place)::text
    FROM jsonb_array_elements(trail::jsonb) WITH ORDINALITY AS marks (mark, place)
)
WHERE rule = :rule AND occasion = :occasion AND trail IS NOT NULL

-- name: advance_process
-- At least to the present time, in microseconds.
INSERT INTO whereupon_meta (name, value)
VALUES (:process, CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT))
ON CONFLICT (name) DO UPDATE SET value = greatest(whereupon_meta.value + 1, excluded.value)
RETURNING value

-- name: take_blocks
-- The first keys of blocks; so many at once.
SELECT nextval('whereupon_key') FROM generate_series(1, :count)

-- name: advisory_lock
SELECT pg_advisory_xact_lock(:number)

-- name: hold_pauses
-- Whoever resumes a rule waits for those who put its deliveries off since it is paused.
SELECT delivery.key FROM whereupon_pause AS paused
JOIN whereupon_delivery AS delivery ON delivery.rule = paused.rule
WHERE delivery.key = ANY(:keys) AND paused.sweep IS NULL
ORDER BY paused.rule, delivery.key
FOR SHARE OF paused

-- name: open_transactions
-- A transaction keeps the lock of a table that it has read until it ends.
SELECT DISTINCT virtualtransaction FROM pg_locks
WHERE locktype = 'relation'
    AND relation = to_regclass('whereupon_identifier')
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND mode = 'AccessShareLock'
    AND pid IS DISTINCT FROM pg_backend_pid()

-- name: held_back
-- By the reason up to a colon; what a channel gave up since the person has no address counts, too.
SELECT
    rule,
    CASE
        WHEN state = 'dead' AND substr(reason, 1, 18) = 'the person has no ' THEN 'no-address'
        ELSE split_part(reason, ':', 1)
    END AS why,
    count(*)
FROM whereupon_delivery
WHERE due_at >= :since AND due_at < :until AND (:any_rule = 1 OR rule = :rule)
    AND (
        state = 'withheld'
        OR state = 'dead' AND (
            substr(reason, 1, 18) = 'the person has no '
            OR split_part(reason, ':', 1) IN ('no-address', 'no-device')
        )
    )
GROUP BY rule, why
ORDER BY rule, why

-- name: waiting_sends
-- Of an entry the last mark of the step at which it stands says what it waits for.
SELECT rule, why, count(*)
FROM (
    SELECT rule, (
        SELECT mark ->> 0
        FROM jsonb_array_elements(whereupon_entry.trail::jsonb) WITH ORDINALITY AS each (mark, place)
        WHERE mark ->> 1 = whereupon_entry.address AND mark ->> 0 IN ('quiet', 'cap')
        ORDER BY place DESC
        LIMIT 1
    ) AS why
    FROM whereupon_entry
    WHERE state = 'active' AND (trail LIKE '%"quiet"%' OR trail LIKE '%"cap"%')
        AND (:any_rule = 1 OR rule = :rule)
    UNION ALL
    SELECT rule, reason AS why
    FROM whereupon_delivery
    WHERE state = 'pending' AND reason = 'quiet' AND (:any_rule = 1 OR rule = :rule)
) AS waiting
WHERE why IS NOT NULL
GROUP BY rule, why
ORDER BY rule, why
