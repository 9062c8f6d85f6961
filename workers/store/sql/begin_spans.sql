-- The fast path of an account's first order: it begins the first span, which is inserted beside.
update accounts a set span_start = m.at, last_effective_at = m.at, last_order_id = m.order_id
from unnest($1::text[], $2::timestamptz[], $3::text[]) as m(account_id, at, order_id)
where a.account_id = m.account_id
