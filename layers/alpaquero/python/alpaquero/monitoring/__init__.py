"""How the bot is watched, as pure rules: alerts, runs that are overdue, what a day costs."""
