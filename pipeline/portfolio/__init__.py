"""From target weights to order quantities; nothing here knows how an order is filled."""
