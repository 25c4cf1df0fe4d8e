"""Known vulnerabilities of the contents of images, from public advisory services."""
