-- Locks the clocks of locked accounts. A statement of its own: one that waited for an account would not see the clock
-- that began meanwhile.
select account_id, span_start, last_effective_at, last_order_id, quiet_until
from account_clocks where account_id = any($1::text[]) order by account_id for no key update
