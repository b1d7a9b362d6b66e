"""Facts and commands: event schemas, the bus, the queues."""
