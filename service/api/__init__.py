"""The HTTP service: answers about valuation models from a copy in memory, off the warehouse's lock."""
