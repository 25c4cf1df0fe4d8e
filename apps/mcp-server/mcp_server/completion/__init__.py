"""Completion of what people type for prompts and resource templates."""
