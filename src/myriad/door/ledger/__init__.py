"""What is counted, written down and ended on time, from above: nothing below knows of it."""
