"""What waiting for clean hours saves on a year of a series that is made by us."""
