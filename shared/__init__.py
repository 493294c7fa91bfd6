"""What the producer and the workers must agree on; imports neither."""
