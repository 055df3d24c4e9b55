"""What the paper does not measure: the domain gap, what embeddings say of the domain, over-fitted HMMs."""
