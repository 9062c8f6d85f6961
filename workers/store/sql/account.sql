-- One account's row, to be shown.
select account_id, standing, waits, wake_at, judged_until, sequence, said, dense_since,
       last_effective_at, last_order_id, quarantined
from accounts where account_id = $1
