-- Locks the rows in the order of their ids, so that transactions cannot deadlock. The ids are lines of one text.
select account_id, standing, deferred, next_check, judged_until, sequence, standing_digest, span_start,
       last_effective_at, last_order_id, quarantined
from accounts where account_id = any(string_to_array($1, E'\n')) order by account_id for no key update
