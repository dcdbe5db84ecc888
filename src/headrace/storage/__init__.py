"""Objects under a root: a local folder or a bucket, one file for each."""
