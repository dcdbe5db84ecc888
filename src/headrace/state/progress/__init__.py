"""What several instances of the service share: requests and how far they are, their events, and small documents."""
