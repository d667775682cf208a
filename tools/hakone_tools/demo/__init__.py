"""``make demo``: an encrypted program runs, and the bus shows nothing."""
