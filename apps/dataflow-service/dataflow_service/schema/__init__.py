"""The tables of the models: what the models declare, what the database has, and the plans that bring it there."""
