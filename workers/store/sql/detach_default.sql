-- Detaches the default part of the log, to empty it.
alter table decision_log detach partition decision_log_default
