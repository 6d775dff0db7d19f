-- What SQLite says in its own way. Rows of numbers are bound as a JSON array of arrays.

-- name: known_messages
-- The row without an id is the state of the store (see `state`).
SELECT message_id, 0, 0, 0, 0, 0, 0 FROM whereupon_message WHERE message_id = ANY(:ids)
UNION ALL
SELECT NULL, {state}

-- name: identifiers
SELECT whereupon_identifier.value, whereupon_identifier.key
FROM whereupon_identifier
WHERE whereupon_identifier.value = ANY(:ids) AND kind = :kind

-- name: known_users_and_messages
-- The rows of `known_users`, those of `known_messages`, which have no key, and the state of the store, which has no id.
-- Each column costs the driver some 1,000 instructions a row.
{known_users}
UNION ALL
SELECT message_id, 0, 0, 0, 0, 0, 0 FROM whereupon_message WHERE message_id = ANY(:refs)
UNION ALL
SELECT NULL, {state}

-- name: history
-- Each need is one range of the message table's secondary index.
SELECT
    message.owner, message.name_id, message.timestamp, message.body, message.key, message.message_id
FROM (
    SELECT
        json_extract(value, '$[0]') AS owner,
        json_extract(value, '$[1]') AS since,
        json_extract(value, '$[2]') AS name_id
    FROM json_each(:needs)
) AS need
JOIN whereupon_message AS message
    ON message.owner = need.owner
    AND message.timestamp >= need.since
    AND message.name_id = need.name_id
ORDER BY message.timestamp, message.key

-- name: last_messages
-- Each need is one range of the message table's secondary index, which is read backwards.
SELECT message.owner, message.timestamp, whereupon_name.name
FROM (
    SELECT json_extract(value, '$[0]') AS owner, json_extract(value, '$[1]') AS since
    FROM json_each(:needs)
) AS need
JOIN whereupon_message AS message ON message.key = (
    SELECT one.key FROM whereupon_message AS one
    WHERE one.owner = need.owner AND one.timestamp >= need.since
        AND (:every = 1 OR one.name_id = ANY(:names)) AND one.depth = 0
    ORDER BY one.timestamp DESC, one.key DESC
    LIMIT 1
)
JOIN whereupon_name ON whereupon_name.id = message.name_id

-- name: claims_near
-- The runs of one anonymous id never overlap: few begin before a span and end in it. So a few steps along
-- the primary key find the outermost ones. The number is the first instant that there is.
SELECT whereupon_claim.*
FROM (
    SELECT
        json_extract(value, '$[0]') AS anonymous_key,
        json_extract(value, '$[1]') AS since,
        json_extract(value, '$[2]') AS until
    FROM json_each(:needs)
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
-- The first of each version. SQLite has no LATERAL, but IN may name the member.
SELECT whereupon_entry.* FROM whereupon_entry
WHERE key IN (
    SELECT candidate.key FROM json_each(:versions) AS member JOIN whereupon_entry AS candidate
    WHERE candidate.key IN (
        SELECT one.key FROM whereupon_entry AS one
        WHERE one.state = 'active' AND one.due_at <= :until AND one.digest = member.value
        ORDER BY one.due_at, one.key
        LIMIT :share
    )
)
ORDER BY due_at, key
LIMIT :limit

-- name: next_timers
-- The first of each subject.
SELECT member.value, (
    SELECT min(timer.due_at) FROM whereupon_timer AS timer WHERE timer.subject = member.value
)
FROM json_each(:subjects) AS member

-- name: due_timers
-- The first of each subject.
SELECT whereupon_timer.* FROM json_each(:subjects) AS member JOIN whereupon_timer
WHERE whereupon_timer.subject = member.value AND whereupon_timer.person_key IN (
    SELECT one.person_key FROM whereupon_timer AS one
    WHERE one.subject = member.value AND one.due_at <= :until
    ORDER BY one.due_at, one.person_key
    LIMIT :limit
)
ORDER BY due_at, person_key, subject
LIMIT :limit

-- part: record_of_skips
LEFT JOIN whereupon_skips AS met ON met.message_key = message.key

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
            AND coalesce(timestamp + CAST(substr(slot, 5) AS INTEGER), :unasked) < :unasked
            OR coalesce(slot, 'active') = 'active'
            AND rule <> ALL(:lasting)
            AND timestamp < :unasked
        )
    ORDER BY key
)

-- name: count_prunable_entries
SELECT count(*) FROM whereupon_entry
WHERE state NOT IN ('active', 'paused') AND coalesce(ended_at, entered_at) < :before
    AND coalesce(watched_until, 0) < :before
    AND (
        slot LIKE 'per:%'
        AND coalesce(timestamp + CAST(substr(slot, 5) AS INTEGER), :unasked) < :unasked
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
        AND coalesce(timestamp + CAST(substr(slot, 5) AS INTEGER), :unasked) < :unasked
        OR coalesce(slot, 'active') = 'active'
        AND rule <> ALL(:lasting)
        AND timestamp < :unasked
    )

-- name: blank_trail
-- Each mark of an entry without the values that it saw, which stand at the sixth place.
UPDATE whereupon_entry
SET trail = (
    SELECT json_group_array(json_set(mark.value, '$[5]', json('{}')))
    FROM json_each(whereupon_entry.trail) AS mark
)
WHERE key = :changed AND trail IS NOT NULL

-- name: blank_trails_of_run
UPDATE whereupon_entry
SET trail = (
    SELECT json_group_array(json_set(mark.value, '$[5]', json('{}')))
    FROM json_each(whereupon_entry.trail) AS mark
)
WHERE rule = :rule AND occasion = :occasion AND trail IS NOT NULL

-- name: advance_process
-- At least to the present time, in microseconds.
INSERT INTO whereupon_meta (name, value)
VALUES (:process, CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER))
ON CONFLICT (name) DO UPDATE SET value = max(value + 1, excluded.value)
RETURNING value

-- name: take_keys
UPDATE whereupon_meta SET value = value + :count WHERE name = 'next_key' RETURNING value

-- name: held_back
-- By the reason up to a colon; what a channel gave up since the person has no address counts, too.
SELECT
    rule,
    CASE
        WHEN state = 'dead' AND substr(reason, 1, 18) = 'the person has no ' THEN 'no-address'
        ELSE substr(reason, 1, instr(reason || ':', ':') - 1)
    END AS why,
    count(*)
FROM whereupon_delivery
WHERE due_at >= :since AND due_at < :until AND (:any_rule = 1 OR rule = :rule)
    AND (
        state = 'withheld'
        OR state = 'dead' AND (
            substr(reason, 1, 18) = 'the person has no '
            OR substr(reason, 1, instr(reason || ':', ':') - 1) IN ('no-address', 'no-device')
        )
    )
GROUP BY rule, why
ORDER BY rule, why

-- name: waiting_sends
-- Of an entry the last mark of the step at which it stands says what it waits for.
SELECT rule, why, count(*)
FROM (
    SELECT rule, (
        SELECT json_extract(mark.value, '$[0]') FROM json_each(whereupon_entry.trail) AS mark
        WHERE json_extract(mark.value, '$[1]') = whereupon_entry.address
            AND json_extract(mark.value, '$[0]') IN ('quiet', 'cap')
        ORDER BY mark.key DESC
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
