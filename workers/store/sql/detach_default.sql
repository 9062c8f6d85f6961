-- Takes the part for rows that found no other out of the log, to empty it.
alter table decision_log detach partition decision_log_default
