-- Locks the clocks of locked accounts where no other transaction holds one of them; fails where one does.
select account_id, span_start, last_effective_at, last_order_id, quiet_until
from account_clocks where account_id = any($1::text[]) order by account_id for no key update nowait
