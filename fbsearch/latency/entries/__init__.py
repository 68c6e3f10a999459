"""What a table holds of an operator, and what it says of itself."""
