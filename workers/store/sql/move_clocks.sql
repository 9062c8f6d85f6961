-- The fast path: orders that only move the clocks of their accounts. Returns how many of the $7 accounts it moved, and
-- which, unless it moved all. A row that another transaction holds is waited for, and then compared as that one left
-- it. No indexed column changes, so the update is HOT. The columns are lines; instants are microseconds since 1970
-- (exact up to the year 2255).
with moved as (
    update account_clocks c
    set quiet_until = greatest(c.quiet_until, $6), last_effective_at = m.last_at, last_order_id = m.last_order_id
    from (
        select account_id, timestamptz '1970-01-01T00:00:00Z' + first_at::bigint * interval '1 microsecond' as first_at,
               timestamptz '1970-01-01T00:00:00Z' + last_at::bigint * interval '1 microsecond' as last_at, last_order_id
        from unnest(string_to_array($1, E'\n'), string_to_array($2, E'\n'), string_to_array($3, E'\n'),
                    string_to_array($4, E'\n')) as lines(account_id, first_at, last_at, last_order_id)
        offset 0  -- each instant is computed once
    ) m
    where c.account_id = m.account_id and c.span_start < m.first_at and c.last_effective_at >= $5
      and c.last_effective_at < m.last_at and c.quiet_until > m.last_at
    returning c.account_id
)
select count, case when count < $7 then (select array_agg(account_id) from moved) end as account_ids
from (select count(*) from moved) as all_moved
