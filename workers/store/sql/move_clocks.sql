-- The fast path: orders that only move the clocks of their accounts; returns the accounts that it moved. A row that
-- another transaction holds is waited for, and then compared as that one left it. No indexed column changes, so the
-- update is HOT. The columns are lines; instants are microseconds since 1970 (exact up to the year 2255).
update accounts a
set quiet_until = greatest(a.quiet_until, $6), last_effective_at = m.last_at, last_order_id = m.last_order_id
from (
    select account_id, timestamptz '1970-01-01T00:00:00Z' + first_at::bigint * interval '1 microsecond' as first_at,
           timestamptz '1970-01-01T00:00:00Z' + last_at::bigint * interval '1 microsecond' as last_at, last_order_id
    from unnest(string_to_array($1, E'\n'), string_to_array($2, E'\n'), string_to_array($3, E'\n'),
                string_to_array($4, E'\n')) as lines(account_id, first_at, last_at, last_order_id)
) m
where a.account_id = m.account_id and a.span_start < m.first_at and a.last_effective_at >= $5
  and a.last_effective_at < m.last_at and a.quiet_until > m.last_at
returning a.account_id
