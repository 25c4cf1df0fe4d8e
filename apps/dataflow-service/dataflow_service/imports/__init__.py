"""Large files in parts, each written once: what broke off is resumed with the parts that are missing."""
