"""Two queues in PostgreSQL: one that hides what it hands out, and one whose deliveries are transactions."""
