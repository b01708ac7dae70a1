"""JSON: lines or elements become rows."""
