"""Threads, the lock, real files, and what is told to the outside."""
