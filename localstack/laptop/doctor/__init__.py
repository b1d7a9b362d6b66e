"""``alpaquero doctor``: what is wrong with a machine, an account or a stack, and how to mend it."""
