"""The orders of the demo, and the script that made them."""
