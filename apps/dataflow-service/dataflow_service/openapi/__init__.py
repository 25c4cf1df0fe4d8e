"""The OpenAPI document, with the operations on the rows of each model."""
