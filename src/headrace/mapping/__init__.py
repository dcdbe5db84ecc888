"""Page → batches: pure, and the only room that builds Arrow."""
