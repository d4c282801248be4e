"""Other programs' formats: results written for them, and their own logs read."""
