"""What clients need to know before they can connect."""
