-- New or changed spans of effective orders.
insert into order_spans (account_id, first_at, first_order_id, last_at, last_order_id)
select * from unnest($1::text[], $2::timestamptz[], $3::text[], $4::timestamptz[], $5::text[])
