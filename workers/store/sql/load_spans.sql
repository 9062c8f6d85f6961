-- The compressed effective orders of accounts; the end of the last span is the one in `account_clocks`.
select account_id, first_at, first_order_id, last_at, last_order_id
from order_spans where account_id = any($1::text[]) order by account_id, first_at
