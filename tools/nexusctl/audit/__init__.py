"""Known vulnerabilities of what images hold, asked of the services that know."""
