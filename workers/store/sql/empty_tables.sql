-- Empties all tables but those that record operators' actions: accepted, redriven, held.
truncate accounts, facts, order_spans, current_decisions, companies, memberships, company_fanouts, decision_log
