"""What can be stored: the models, their fields and the nodes generated for them."""
