"""What is counted, written down and enforced on time, seen from above all sessions."""
