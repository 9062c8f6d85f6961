-- Empties all tables but those that record operators' actions: accepted, redriven, held.
truncate accounts, account_clocks, facts, order_spans, current_decisions, companies, memberships, company_fanouts,
         decision_log
