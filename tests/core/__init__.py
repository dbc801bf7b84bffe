"""The machine by itself: what it costs, and what no construct of the language shows yet."""
