"""What a chart is: plays, verdicts, windows, tallies, ranking. Pure: no I/O, no clock, nothing async."""
