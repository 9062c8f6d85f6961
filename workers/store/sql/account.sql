-- One account's row, for display.
select account_id, standing, deferred, next_check, judged_until, sequence, standing_digest, quarantined,
       span_start, last_effective_at, last_order_id, quiet_until
from accounts left join account_clocks using (account_id) where account_id = $1
