-- Forgets all but what operators did: what was accepted, sent back and held back stays.
truncate accounts, facts, order_spans, current_decisions, companies, memberships, company_fanouts, decision_log
