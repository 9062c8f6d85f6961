-- Companies as they are now; a change that commits later fans out to members judged meanwhile.
select company_key, version, sequence, terminations, completed
from companies where company_key = any($1::text[])
