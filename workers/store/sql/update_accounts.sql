-- Updates the rows of accounts that were judged.
update accounts a
set standing = u.standing, deferred = u.deferred, next_check = u.next_check, judged_until = u.judged_until,
    sequence = u.sequence, standing_digest = u.standing_digest, span_start = u.span_start,
    last_effective_at = u.last_effective_at, last_order_id = u.last_order_id, quiet_until = u.quiet_until,
    quarantined = u.quarantined
from unnest($1::text[], $2::text[], $3::bool[], $4::timestamptz[], $5::timestamptz[], $6::bigint[],
            $7::bytea[], $8::timestamptz[], $9::timestamptz[], $10::text[], $11::timestamptz[], $12::text[])
    as u(account_id, standing, deferred, next_check, judged_until, sequence, standing_digest, span_start,
         last_effective_at, last_order_id, quiet_until, quarantined)
where a.account_id = u.account_id
