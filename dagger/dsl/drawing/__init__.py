"""Drawings of a template: as text, as a Mermaid or DOT graph, and as an SVG.

`figure.py` turns the constructs of a template into a few elements (`elements.py`). The drawings interpret these and
know no construct, so a new construct is drawn everywhere by one case of `element_of`. How each kind of step looks
stands in one table, `kinds.py`.
"""
