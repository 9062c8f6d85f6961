-- Locks accounts whose deadline is due, soonest first, except those that another transaction has locked.
select account_id, standing, deferred, next_check, judged_until, sequence, standing_digest, quarantined
from accounts where next_check <= $1 and quarantined is null order by next_check limit $2 for no key update skip locked
