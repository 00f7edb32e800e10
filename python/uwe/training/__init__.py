"""Training: graphs of texts that belong together, and a bi-encoder that learns from them."""
