"""Workbooks: Excel's and OpenDocument's; the table in each sheet becomes a table."""
