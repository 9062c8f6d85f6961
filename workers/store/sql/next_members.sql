-- The next members of a company after the cursor.
select account_id from memberships where company_key = $1 and account_id > $2 order by account_id limit $3
