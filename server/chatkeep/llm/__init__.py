"""Language models: the ChatModel port and its adapters. `selection.build_chat_model` picks one by the settings."""
