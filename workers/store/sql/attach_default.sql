-- Attaches the default part again.
alter table decision_log attach partition decision_log_default default
