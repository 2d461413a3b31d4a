"""The web page of chatkeep: `chatkeep_ui.page.create_page` is what a server mounts."""
