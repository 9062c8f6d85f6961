-- How much is left to do: deadlines due at $1 and overdue at $2, and what is quarantined, each counted by its index and
-- no further than $3; a fan-out that waits for undecided members or is quarantined is none to be done, as in
-- `standing status`.
select (select count(*) from (
            select from accounts where wake_at <= $1 and quarantined is null order by wake_at limit $3) d) as due,
       (select count(*) from (
            select from accounts where wake_at <= $2 and quarantined is null order by wake_at limit $3) d) as overdue,
       (select min(wake_at) from accounts where wake_at <= $1 and quarantined is null) as oldest_due,
       (select count(*) from (
            select from accounts where quarantined is not null order by account_id limit $3) d) as accounts_quarantined,
       (select count(*) from (select from spreads s where s.quarantined is null and not (s.waits and coalesce((
            select true from memberships m join accounts a using (account_id)
            where m.company_key = s.company_key and (a.waits or a.quarantined is not null) limit 1), false))
            limit $3) d) as spreads
