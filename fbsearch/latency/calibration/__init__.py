"""From sums to networks: terms, designs, fits; measures nothing."""
