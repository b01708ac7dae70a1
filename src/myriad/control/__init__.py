"""The control database: how it is entered, and how the door is asked by it; not what it holds."""
