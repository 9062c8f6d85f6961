-- The fast path for an account's first order: it starts the first span, which another statement inserts.
update accounts a set span_start = m.at, last_effective_at = m.at, last_order_id = m.order_id, quiet_until = m.quiet_until
from unnest($1::text[], $2::timestamptz[], $3::text[], $4::timestamptz[]) as m(account_id, at, order_id, quiet_until)
where a.account_id = m.account_id
