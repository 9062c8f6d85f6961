-- The pending work of the deployment, for `standing status`, `standing drain` and the gauges of the timers worker.
-- Each count uses its index and stops at $4. A deadline is due up to $1 and overdue up to $2; a fan-out is idle if
-- no worker advanced it for $3. A fan-out that waits for undecided members or is quarantined does not count.
with left_to_do as (
    select worked_at from company_fanouts s where s.quarantined is null and not (s.deferred and coalesce((
        select true from memberships m join accounts a using (account_id)
        where m.company_key = s.company_key and (a.deferred or a.quarantined is not null) limit 1), false))
    limit $4
)
select (select count(*) from (
            select from accounts where next_check <= $1 and quarantined is null order by next_check limit $4) d) as due,
       (select count(*) from (
            select from accounts where next_check <= $2 and quarantined is null order by next_check limit $4) d) as overdue,
       (select min(next_check) from accounts where next_check <= $1 and quarantined is null) as oldest_due,
       (select count(*) from (
            select from accounts where next_check > $1 and quarantined is null order by next_check limit $4) d) as waiting,
       (select count(*) from (
            select from accounts where quarantined is not null order by account_id limit $4) d) as accounts_quarantined,
       (select count(*) from (
            select from decision_log where kind = 'dead_letter' order by recorded_at limit $4) d) as dead_letters,
       count(*) as fanouts,
       count(*) filter (where worked_at < clock_timestamp() - $3::interval) as fanouts_idle
from left_to_do
