-- Sets next_check, which may be too early, to the next deadline.
with rearmed as (
    select * from unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) as r(account_id, next_check, quiet_until)
), quiet as (
    update account_clocks c set quiet_until = r.quiet_until from rearmed r where c.account_id = r.account_id
)
update accounts a set next_check = r.next_check from rearmed r where a.account_id = r.account_id
