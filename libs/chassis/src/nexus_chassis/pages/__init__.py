"""Pages of HTML: templates, headers, and the pages of services, which the gateway serves under /pages.

Services with pages depend on jinja2, which the first page loads.
"""
