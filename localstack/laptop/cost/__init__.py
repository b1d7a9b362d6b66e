"""What the bot costs on AWS: measured on the laptop's engine, multiplied by list prices."""
