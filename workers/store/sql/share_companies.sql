-- Locks companies that an account joins: their terminations cannot change until the account is a member.
select company_key, version, sequence, terminations, completed
from companies where company_key = any($1::text[]) order by company_key for share
