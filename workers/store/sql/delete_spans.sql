-- Deletes spans of effective orders that were merged or changed.
delete from order_spans s using unnest($1::text[], $2::timestamptz[]) as d(account_id, first_at)
where s.account_id = d.account_id and s.first_at = d.first_at
