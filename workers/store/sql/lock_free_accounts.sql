-- Locks the rows where no other transaction holds one of them; fails where one does.
select account_id, standing, deferred, next_check, judged_until, sequence, standing_digest, quarantined
from accounts where account_id = any($1::text[]) order by account_id for no key update nowait
