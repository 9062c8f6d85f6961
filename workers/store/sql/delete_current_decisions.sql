-- Deletes decisions that were withdrawn, or are published again with other content.
delete from current_decisions n using unnest($1::bool[], $2::text[], $3::uuid[]) as d(of_company, subject, decision_id)
where n.of_company = d.of_company and n.subject = d.subject and n.decision_id = d.decision_id
