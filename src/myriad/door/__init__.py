"""The one address people connect to: authenticates, pools, limits, audits."""
