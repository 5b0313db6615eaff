"""Bars and macro series: schema, validation, resampling, point-in-time panels, the sample world."""
