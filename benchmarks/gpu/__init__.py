"""What limits of power and of clocks do to a real GPU; see __main__."""
