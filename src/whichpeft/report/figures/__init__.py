"""One module per kind of figure, as Vega-Lite specs, and what they share."""
