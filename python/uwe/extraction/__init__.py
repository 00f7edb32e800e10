"""Whole adverts and CVs: their segments, which of them ask for a skill, and for which."""
