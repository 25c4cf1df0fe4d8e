"""Classification systems: their codes, titles and tree."""
