"""The shop: products, orders, and the background work that an order causes."""
