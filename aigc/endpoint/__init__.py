"""The HTTP API as an ASGI application: OpenAI's image calls and ours. No Ray here."""
