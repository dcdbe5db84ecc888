"""Looking without touching: one page, a plan, the origin of a row. Nothing here prints."""
