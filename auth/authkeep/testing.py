"""The fakes, shipped, so that hosts' tests need not invent their own."""
