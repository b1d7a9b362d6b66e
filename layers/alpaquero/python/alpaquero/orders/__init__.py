"""Orders: intents, client order ids, the order record, its life cycle and the steps of an exit."""
