-- The server on which the deployment was last recorded.
select system_identifier, timeline from deployment
