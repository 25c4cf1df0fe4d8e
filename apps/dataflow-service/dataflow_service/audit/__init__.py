"""Who changed what, when, and by which token."""
