"""The door's processes, seen from one of them: what all count, what they tell each other."""
