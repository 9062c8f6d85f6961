-- The stored facts of accounts, after their rows were locked; one statement for both would read an old snapshot.
select account_id, topic, id, occurred_at, content from facts where account_id = any($1::text[])
