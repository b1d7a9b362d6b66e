"""The laptop cloud: the engine, its port mappings, the paper exchange and the command line."""
