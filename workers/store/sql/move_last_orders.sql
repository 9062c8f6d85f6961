-- The fast path: an order that only moves the last effective order. No indexed column changes, so the update is HOT.
-- The columns are lines; instants are microseconds since 1970 (exact up to the year 2255).
update accounts a
set last_effective_at = timestamptz '1970-01-01T00:00:00Z' + m.at::bigint * interval '1 microsecond',
    last_order_id = m.last_order_id
from unnest(string_to_array($1, E'\n'), string_to_array($2, E'\n'), string_to_array($3, E'\n'))
    as m(account_id, at, last_order_id)
where a.account_id = m.account_id
