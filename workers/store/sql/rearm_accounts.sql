-- Sets a lazy next_check to the instant at which silence would really decide something.
update accounts a set next_check = r.next_check
from unnest($1::text[], $2::timestamptz[]) as r(account_id, next_check)
where a.account_id = r.account_id
