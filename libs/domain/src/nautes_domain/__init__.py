"""What should be, and what to do about it. Pure: no I/O, no clock, no randomness, no async runtime."""
