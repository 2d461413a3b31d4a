"""What each second factor is made of: its cryptography and its words. No store in here, and no HTTP."""
