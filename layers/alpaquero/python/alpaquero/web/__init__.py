"""What an API handler needs: the app, bodies, errors, the caller's identity."""
