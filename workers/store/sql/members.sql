-- How many members a company has, and how many of them wait for the horizon or are held.
select count(*), count(*) filter (where waits or held)
from memberships join accounts using (account_id) where company_key = $1
