"""Training of models with torch, which only the trainer image has."""
