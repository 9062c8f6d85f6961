-- The members and former members of a company.
select account_id from memberships where company_key = $1
