"""Tables as files: CSV, XLSX and JSON Lines, read and written row by row."""
