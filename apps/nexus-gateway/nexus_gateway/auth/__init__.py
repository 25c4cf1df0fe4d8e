"""Who sends a request, and what access tokens can allow. Every feature may import this; it imports none."""
