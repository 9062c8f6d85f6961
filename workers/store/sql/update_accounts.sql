-- The rows of accounts that were judged.
update accounts a
set standing = u.standing, held = u.held, waits = u.waits, wake_at = u.wake_at, judged_until = u.judged_until,
    sequence = u.sequence, said = u.said, dense_since = u.dense_since,
    last_effective_at = u.last_effective_at, last_order_id = u.last_order_id
from unnest($1::text[], $2::text[], $3::bool[], $4::bool[], $5::timestamptz[], $6::timestamptz[], $7::bigint[],
            $8::bytea[], $9::timestamptz[], $10::timestamptz[], $11::text[])
    as u(account_id, standing, held, waits, wake_at, judged_until, sequence, said, dense_since,
         last_effective_at, last_order_id)
where a.account_id = u.account_id
