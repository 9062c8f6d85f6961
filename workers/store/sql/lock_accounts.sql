-- Locks the rows in the order of their ids, so that transactions cannot deadlock.
select account_id, standing, deferred, next_check, judged_until, sequence, standing_digest, quarantined
from accounts where account_id = any($1::text[]) order by account_id for no key update
