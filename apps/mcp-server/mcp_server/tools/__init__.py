"""What agents can do here."""
