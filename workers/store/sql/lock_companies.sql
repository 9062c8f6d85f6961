-- Locks companies whose terminations may change.
select company_key, version, sequence, terminations, completed
from companies where company_key = any($1::text[]) order by company_key for update
