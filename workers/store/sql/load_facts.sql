-- The stored facts of accounts, for a judgement; after their rows were locked, never in one statement with it.
select account_id, topic, id, occurred_at, content from facts where account_id = any($1::text[])
