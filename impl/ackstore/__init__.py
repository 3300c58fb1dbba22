"""The reference store: durable consumption progress behind a sans-I/O core."""
