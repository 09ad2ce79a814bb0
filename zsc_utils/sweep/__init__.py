"""What is run: profiles, their cells, and everything that computes them."""
