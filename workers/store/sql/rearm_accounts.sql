-- Sets a lazy wake_at to the instant at which silence would really decide something.
update accounts a set wake_at = r.wake_at
from unnest($1::text[], $2::timestamptz[]) as r(account_id, wake_at)
where a.account_id = r.account_id
