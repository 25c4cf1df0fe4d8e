"""What agents can read: resources, resource templates, and completion of the values of templates."""
