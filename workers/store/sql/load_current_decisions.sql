-- The decisions in force of these subjects.
select subject, decision_id::text, kind, effective_at, sequence, content
from current_decisions where of_company = $1 and subject = any($2::text[])
