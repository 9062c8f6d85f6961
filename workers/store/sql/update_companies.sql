-- Updates companies whose terminations changed, or whose completions were published.
update companies c
set version = u.version, sequence = u.sequence, terminations = u.terminations, completed = u.completed
from unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::text[])
    as u(company_key, version, sequence, terminations, completed)
where c.company_key = u.company_key
