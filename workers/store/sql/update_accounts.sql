-- Updates the rows of accounts that were judged, and begins or updates those of their clocks that changed.
with judged as (
    select * from unnest($1::text[], $2::text[], $3::bool[], $4::timestamptz[], $5::timestamptz[], $6::bigint[],
                         $7::bytea[], $8::text[], $9::timestamptz[], $10::timestamptz[], $11::text[], $12::timestamptz[])
        as u(account_id, standing, deferred, next_check, judged_until, sequence, standing_digest, quarantined,
             span_start, last_effective_at, last_order_id, quiet_until)
), clocks as (
    insert into account_clocks as c
    select account_id, span_start, last_effective_at, last_order_id, quiet_until from judged where span_start is not null
    on conflict (account_id) do update
    set span_start = excluded.span_start, last_effective_at = excluded.last_effective_at,
        last_order_id = excluded.last_order_id, quiet_until = excluded.quiet_until
    where (c.span_start, c.last_effective_at, c.last_order_id, c.quiet_until)
          is distinct from (excluded.span_start, excluded.last_effective_at, excluded.last_order_id, excluded.quiet_until)
)
update accounts a
set standing = u.standing, deferred = u.deferred, next_check = u.next_check, judged_until = u.judged_until,
    sequence = u.sequence, standing_digest = u.standing_digest, quarantined = u.quarantined
from judged u where a.account_id = u.account_id
