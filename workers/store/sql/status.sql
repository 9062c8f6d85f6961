-- How much is left to do, as `gauges` has it, and what waits, what nobody works on and how many dead letters there are:
-- each counted by its index and no further than $4. $1: due, $2: overdue, $3: for how long nobody worked on a fan-out.
with left_to_do as (
    select worked_at from spreads s where s.quarantined is null and not (s.waits and coalesce((
        select true from memberships m join accounts a using (account_id)
        where m.company_key = s.company_key and (a.waits or a.quarantined is not null) limit 1), false))
    limit $4
)
select (select count(*) from (
            select from accounts where wake_at <= $1 and quarantined is null order by wake_at limit $4) d) as due,
       (select count(*) from (
            select from accounts where wake_at <= $2 and quarantined is null order by wake_at limit $4) d) as overdue,
       (select count(*) from (
            select from accounts where wake_at > $1 and quarantined is null order by wake_at limit $4) d) as waiting,
       (select count(*) from (
            select from accounts where quarantined is not null order by account_id limit $4) d) as accounts_quarantined,
       (select count(*) from (
            select from decision_log where kind = 'dead_letter' order by recorded_at limit $4) d) as dead_letters,
       count(*) as spreads,
       count(*) filter (where worked_at < clock_timestamp() - $3::interval) as spreads_idle
from left_to_do
