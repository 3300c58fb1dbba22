"""The graph engine: every state and every transition kept, and what is asked of the whole graph."""
