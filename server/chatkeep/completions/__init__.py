"""The door for OpenAI's clients: GET /v1/models and POST /v1/chat/completions, in OpenAI's shapes, errors included."""
