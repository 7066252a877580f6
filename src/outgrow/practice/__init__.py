"""For people with cheap labels: what the labels are worth, and a better model from them."""
