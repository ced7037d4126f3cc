"""What a scrape of the operator costs."""
