"""What kind of market it is: four classifiers with hysteresis, and budgets that follow them."""
