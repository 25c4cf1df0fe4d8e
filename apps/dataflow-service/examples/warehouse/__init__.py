"""A warehouse: where things are, what they are, and how they come and go. `README.md` shows how to serve it."""
