-- The rights of each role of roles.sql in this database. `standing setup` applies them if the roles exist, as the owner
-- of the tables, in the transaction of the migrations. The roles can add published decisions and facts, but cannot
-- change or delete them.

revoke all on deployment, positions, dead_letter_windows, redriven, accounts, account_clocks, facts, order_spans,
    current_decisions, companies, memberships, company_fanouts, decision_log, shards from public, standing_worker, standing_relay, standing_reader;
revoke all on log_parts from public, standing_worker, standing_relay, standing_reader;
revoke all on function mark_redriven from public, standing_relay;
revoke all on function extend_log from public, standing_reader;
grant execute on function extend_log to standing_worker, standing_relay;
grant select on log_parts to standing_worker, standing_reader;

-- ingest, timers, fanout, and the relay of `standing work`; hold, release, dead-letters accept
grant select on deployment, positions, dead_letter_windows, redriven, accounts, account_clocks, facts, order_spans,
    current_decisions, companies, memberships, company_fanouts, decision_log, shards to standing_worker;
grant update (held, partitions_compared_until, system_identifier, timeline) on deployment to standing_worker;
grant update on positions, shards to standing_worker;
grant insert, update on dead_letter_windows, accounts, account_clocks, companies to standing_worker;
grant insert, delete on order_spans, current_decisions to standing_worker;
grant insert on facts, memberships, decision_log to standing_worker;
grant insert, update, delete on company_fanouts to standing_worker;
grant execute on function mark_redriven to standing_worker;

-- a relay that runs by itself: reads the log, and records the server on which it found the log complete
grant select on deployment, shards, decision_log to standing_relay;
grant update (system_identifier, timeline) on deployment to standing_relay;

-- status, drain, explain, company, replay, dead-letters list and show; redrive, by one function
grant select on deployment, positions, dead_letter_windows, redriven, accounts, account_clocks, facts, order_spans,
    current_decisions, companies, memberships, company_fanouts, decision_log, shards to standing_reader;
grant execute on function mark_redriven to standing_reader;
