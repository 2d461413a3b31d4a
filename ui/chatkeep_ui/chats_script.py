"""The script Streamlit executes for each run. Everything it does lies in modules, which are imported once."""

from chatkeep_ui.chats import show_chats

show_chats()
