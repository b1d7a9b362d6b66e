"""`sam local` against the laptop cloud: each function in a container, as Lambda runs it.

``make sam`` runs it all through tests; ``python -m laptop.sam`` prepares it and waits, for the commands that
docs/sam.md shows. Nothing here is part of the bot.
"""
