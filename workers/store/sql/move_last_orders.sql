-- The fast path: an order that only moves the clock. No indexed column changes, so the update is HOT.
update accounts a set last_effective_at = m.last_effective_at, last_order_id = m.last_order_id
from unnest($1::text[], $2::timestamptz[], $3::text[]) as m(account_id, last_effective_at, last_order_id)
where a.account_id = m.account_id
