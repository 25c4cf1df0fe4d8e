"""Pages: templates, style sheet, security headers and forms, for every feature that serves some."""
