"""One extract step: slices, the fetch loop, the writer loop, and whether the crawl was complete."""
