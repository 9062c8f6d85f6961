-- What each role of roles.sql may do in this database, and nothing else. `standing setup` applies it, as the tables'
-- owner and in the transaction of the migrations, where the roles are there.
--
-- What was published, and the facts it rests on, can be added to but neither changed nor deleted, by any of them.

revoke all on deployment, positions, dead_letter_windows, redriven, accounts, facts, order_spans, current_decisions, companies,
    memberships, company_fanouts, decision_log, shards from public, standing_worker, standing_relay, standing_reader;
revoke all on log_parts from public, standing_worker, standing_relay, standing_reader;
revoke all on function mark_redriven from public, standing_relay;
revoke all on function extend_log from public, standing_reader;
grant execute on function extend_log to standing_worker, standing_relay;
grant select on log_parts to standing_worker, standing_reader;

-- ingest, timers, fan-out; the relay too, where `standing work` runs all of them; hold, release and accept
grant select on deployment, positions, dead_letter_windows, redriven, accounts, facts, order_spans, current_decisions, companies,
    memberships, company_fanouts, decision_log, shards to standing_worker;
grant update (held, partitions_compared_until, system_identifier, timeline) on deployment to standing_worker;
grant update on positions, shards to standing_worker;
grant insert, update on dead_letter_windows, accounts, companies to standing_worker;
grant insert, delete on order_spans, current_decisions to standing_worker;
grant insert on facts, memberships, decision_log to standing_worker;
grant insert, update, delete on company_fanouts to standing_worker;
grant execute on function mark_redriven to standing_worker;

-- a relay by itself: reads the log, and notes on which server it found all that was published
grant select on deployment, shards, decision_log to standing_relay;
grant update (system_identifier, timeline) on deployment to standing_relay;

-- status, drain, explain, company, replay, dead-letters list and show; redrive, by the one function
grant select on deployment, positions, dead_letter_windows, redriven, accounts, facts, order_spans, current_decisions, companies,
    memberships, company_fanouts, decision_log, shards to standing_reader;
grant execute on function mark_redriven to standing_reader;
