"""The pages of the review queue and of jobs, which the gateway serves under /pages/classification."""
