"""The trained model of a taxonomy: what training and serving have in common, and how it is served. Without torch."""
