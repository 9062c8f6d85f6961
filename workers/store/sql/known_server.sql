-- The server on which the deployment was last known to live.
select system_identifier, timeline from deployment
