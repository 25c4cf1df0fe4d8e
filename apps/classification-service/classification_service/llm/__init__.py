"""A language model behind an API like OpenAI's, which is asked where the local models are unsure."""
