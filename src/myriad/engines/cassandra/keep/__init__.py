"""A cluster kept up: watched, started again, restarted one by one; how a node runs is elsewhere."""
