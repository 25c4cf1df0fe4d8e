-- Whether a run that is a task returns itself, as the tool run_workflow does, instead of the result of its workflow.
ALTER TABLE workflow_runs ADD COLUMN returns_run boolean NOT NULL DEFAULT false;
