-- One account's row, for display.
select account_id, standing, deferred, next_check, judged_until, sequence, standing_digest, span_start,
       last_effective_at, last_order_id, quiet_until, quarantined
from accounts where account_id = $1
