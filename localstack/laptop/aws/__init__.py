"""Puts the stack into an AWS account: ``alpaquero deploy`` and what it needs."""
