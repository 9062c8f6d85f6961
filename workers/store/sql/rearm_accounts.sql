-- Sets next_check, which may be too early, to the next deadline.
update accounts a set next_check = r.next_check
from unnest($1::text[], $2::timestamptz[]) as r(account_id, next_check)
where a.account_id = r.account_id
