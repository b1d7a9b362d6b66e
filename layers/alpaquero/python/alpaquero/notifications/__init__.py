"""Who is told what, when, and over which channel; the notification service is built of it."""
