-- Sets next_check, which may be too early, to the next deadline.
update accounts a set next_check = r.next_check, quiet_until = r.quiet_until
from unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) as r(account_id, next_check, quiet_until)
where a.account_id = r.account_id
