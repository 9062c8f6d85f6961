-- The accounts whose silence is due, soonest first; those that another transaction holds are left to it.
select account_id, standing, waits, wake_at, judged_until, sequence, said, dense_since,
       last_effective_at, last_order_id, quarantined
from accounts where wake_at <= $1 and quarantined is null order by wake_at limit $2 for no key update skip locked
