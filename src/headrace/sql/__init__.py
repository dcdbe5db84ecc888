"""People's SQL: read in the dialect it is written in, checked, and written in that of the destination."""
